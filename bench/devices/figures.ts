// SPDX-License-Identifier: Apache-2.0
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** The value below which `share` (0 to 1) of the values lie. */
export function quantile(values: readonly number[], share: number): number {
    const sorted = [...values].sort((a, b) => a - b);
    return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

/** One figure a line: what, how much, and what to reach or what stock KubeEdge does. */
export function print(what: string, figure: string, beside = ""): void {
    process.stdout.write(`${what.padEnd(64)} ${figure.padStart(20)}${beside === "" ? "" : `   ${beside}`}\n`);
}

/** Resident memory after everything unused was collected. */
export function memoryMiB(): number {
    setFlagsFromString("--expose-gc");
    const collect: unknown = runInNewContext("gc");
    if (typeof collect === "function") for (let round = 0; round < 3; round += 1) collect();
    return process.memoryUsage().rss / 1024 / 1024;
}
