// SPDX-License-Identifier: Apache-2.0

/** Devices, twins, the event bus and mappers. */
export const deviceErrors = {} as const;
