// SPDX-License-Identifier: Apache-2.0

/** The value below which `share` of the samples lie. */
export function percentile(samples: readonly number[], share: number): number {
    const sorted = [...samples].sort((a, b) => a - b);
    return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

export function spread(samples: readonly number[]): string {
    return `p50 ${percentile(samples, 0.5).toFixed(1)} ms, p99 ${percentile(samples, 0.99).toFixed(1)} ms`;
}

export interface Goal {
    readonly text: string;
    readonly met: boolean;
}

const goals: { readonly title: string; readonly goal: Goal }[] = [];

export function line(title: string, figure: string, goal?: Goal): void {
    const verdict = goal === undefined ? "" : `   [goal: ${goal.text}: ${goal.met ? "met" : "MISSED"}]`;
    if (goal !== undefined) goals.push({ title, goal });
    process.stdout.write(`${title}: ${figure}${verdict}\n`);
}

/** After all scenarios: how many goals were met, and which were not. */
export function verdicts(): void {
    const missed = goals.filter(({ goal }) => !goal.met);
    process.stdout.write(`${goals.length - missed.length} of ${goals.length} goals met\n`);
    for (const { title, goal } of missed) process.stdout.write(`  missed: ${title} (${goal.text})\n`);
}
