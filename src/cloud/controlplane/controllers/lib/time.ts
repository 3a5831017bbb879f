// SPDX-License-Identifier: Apache-2.0

/** metav1.Time: seconds, as the API server writes it. */
export function metaTime(ms: number): string {
    return new Date(ms).toISOString().replace(/\.\d+Z$/, "Z");
}

/** Milliseconds since the epoch of a metav1.Time or MicroTime; undefined when there is none. */
export function timeMs(text: string | null | undefined): number | undefined {
    if (!text) return undefined;
    const ms = Date.parse(text);
    return Number.isNaN(ms) ? undefined : ms;
}
