// SPDX-License-Identifier: Apache-2.0

/** Workloads at the edge. */
export const edgedErrors = {} as const;
