// SPDX-License-Identifier: Apache-2.0

export function print(what: string, how: string, text: string): void {
    console.log(`${what.padEnd(15)} ${how.padEnd(13)} ${text}`);
}

/** Of milliseconds. */
export function p50p99(values: readonly number[]): string {
    return `p50 ${percentile(values, 0.5)} ms, p99 ${percentile(values, 0.99)} ms`;
}

function percentile(values: readonly number[], share: number): number {
    const sorted = [...values].sort((a, b) => a - b);
    return Math.round(sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN);
}
