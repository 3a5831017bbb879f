// SPDX-License-Identifier: Apache-2.0

/** Certificates and join tokens. */
export const identityErrors = {} as const;
