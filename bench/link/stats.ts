// SPDX-License-Identifier: Apache-2.0

/** The value below which `share` of the samples lie. */
export function percentile(samples: readonly number[], share: number): number {
    const sorted = [...samples].sort((a, b) => a - b);
    return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

export function spread(samples: readonly number[]): string {
    return `p50 ${percentile(samples, 0.5).toFixed(1)} ms, p99 ${percentile(samples, 0.99).toFixed(1)} ms`;
}

export function line(title: string, figure: string, target?: string): void {
    process.stdout.write(`${title}: ${figure}${target === undefined ? "" : `   [${target}]`}\n`);
}
