// SPDX-License-Identifier: Apache-2.0
// Resident memory of both processes of a site, idle, with one flow pod and one Modbus device.
// How: `redge site` as a user starts it, in a home of its own; the flow of examples/workloads and the boiler run; after
// IDLE_S seconds of rest /proc/<pid>/smaps_rollup is read. RSS counts pages shared with other processes of the same
// binary in full, PSS counts its share of them, "private" is what would be freed if the process ended.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { root, TestSite } from "../test/support/site.ts";

const IDLE_S = Number(process.env["BENCH_IDLE_S"] ?? 30);

function memoryMiB(pid: number): Record<"rss" | "pss" | "private", string> {
    const text = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
    const kib = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(text)?.[1] ?? Number.NaN);
    const mib = (value: number): string => (value / 1024).toFixed(0);
    return { rss: mib(kib("Rss")), pss: mib(kib("Pss")), private: mib(kib("Private_Dirty") + kib("Private_Clean")) };
}

function cpuSeconds(pid: number): number {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
    return (Number(fields[11]) + Number(fields[12])) / 100;
}

async function measure(title: string, extra: NodeJS.ProcessEnv): Promise<void> {
    const site = await TestSite.create(extra);
    try {
        await site.start();
        await site.kubectlOk(["apply", "-f", join(root, "examples/workloads/hello-flow.yaml")]);
        await site.kubectlOk(["rollout", "status", "daemonset/hello", "--timeout=60s"]);
        const { cloud, edge } = await site.pids();
        if (cloud === undefined || edge === undefined) throw new Error("a process is missing");
        const before = { cloud: cpuSeconds(cloud), edge: cpuSeconds(edge) };
        await new Promise((resolve) => setTimeout(resolve, IDLE_S * 1000));
        for (const [role, pid] of Object.entries({ cloud, edge })) {
            const { rss, pss, private: own } = memoryMiB(pid);
            const percent = ((cpuSeconds(pid) - before[role as "cloud" | "edge"]) / IDLE_S) * 100;
            console.log(
                `${title}, ${role}: RSS ${rss} MiB, PSS ${pss} MiB, private ${own} MiB, CPU ${percent.toFixed(1)} % of a core`,
            );
        }
    } finally {
        await site.stop();
        await site.remove();
    }
}

console.log(`read from /proc/<pid>/smaps_rollup after ${IDLE_S} s of rest; one flow pod, one Modbus device`);
await measure("editors on", {});
await measure("editors off", { REDGE_EDITOR: "off" });
