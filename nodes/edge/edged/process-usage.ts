// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";

const PAGE_BYTES = 4096;
const NANOSECONDS_PER_TICK = 10_000_000;

/** CPU time and resident memory of a process (proc(5)); undefined when it is gone. */
export function processUsage(pid: number): { cpuNanoseconds: number; memoryBytes: number } | undefined {
    try {
        const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
        // The name in parentheses may hold spaces: count from behind it.
        const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
        const ticks = Number(fields[11]) + Number(fields[12]);
        const pages = Number(readFileSync(`/proc/${pid}/statm`, "utf8").split(" ")[1]);
        return { cpuNanoseconds: ticks * NANOSECONDS_PER_TICK, memoryBytes: pages * PAGE_BYTES };
    } catch (thrown) {
        if (["ENOENT", "ESRCH"].includes((thrown as NodeJS.ErrnoException).code ?? "")) return undefined;
        throw thrown;
    }
}
