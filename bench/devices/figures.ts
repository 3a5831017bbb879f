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

/** A figure that has a goal; what stock KubeEdge does stands in brackets behind it. */
export function printGoal(what: string, figure: string, met: boolean, goal: string): void {
    print(what, figure, `${met ? "met" : "MISSED"}: to reach ${goal}`);
}

/**
 * Resident memory of this process at rest: after the collection that gives the heap's empty pages back, which V8 makes by
 * itself some seconds after a process has come to rest.
 */
export function memoryMiB(): number {
    setFlagsFromString("--expose-gc");
    const collect: unknown = runInNewContext("gc");
    if (typeof collect !== "function") throw new Error("the collector cannot be called");
    collect({ type: "major", execution: "sync", flavor: "last-resort" });
    return process.memoryUsage().rss / 1024 / 1024;
}
