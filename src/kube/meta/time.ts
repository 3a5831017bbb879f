// SPDX-License-Identifier: Apache-2.0

/** metav1.Time: RFC 3339 in UTC, whole seconds. */
export function isoSeconds(ms: number): string {
    return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}
