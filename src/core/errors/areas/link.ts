// SPDX-License-Identifier: Apache-2.0

/** The cloud-edge link. */
export const linkErrors = {} as const;
