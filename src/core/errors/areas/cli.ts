// SPDX-License-Identifier: Apache-2.0

/** The command and the start of a site. */
export const cliErrors = {} as const;
