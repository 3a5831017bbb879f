// SPDX-License-Identifier: Apache-2.0
// Resident memory of both processes of a site with one flow pod and DEVICES Modbus devices of three properties, each polled once a second.
// How: `redge site` as a user starts it, in a home of its own; the flow of examples/workloads runs, the devices are created in the
// API and their registers are in a server beside it; IDLE_S seconds after all have been read /proc/<pid>/smaps_rollup is read. RSS counts pages shared with other processes of the same
// binary in full, PSS counts its share of them, "private" is what would be freed if the process ended.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { freePorts } from "../test/support/free-ports.ts";
import { root, TestSite } from "../test/support/site.ts";
import { device, model } from "./devices/gateway.ts";
import { type ModbusPlant, serveModbus, startModbus } from "./devices/peers.ts";

const IDLE_S = Number(process.env["BENCH_IDLE_S"] ?? 30);
const DEVICES = Number(process.env["BENCH_DEVICES"] ?? 1000);
const PROPERTIES = ["p0", "p1", "p2"];
const GOAL_MIB = 128;

function memoryMiB(pid: number): Record<"rss" | "pss" | "private", number> {
    const text = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
    const mib = (name: string): number =>
        Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(text)?.[1] ?? Number.NaN) / 1024;
    return { rss: mib("Rss"), pss: mib("Pss"), private: mib("Private_Dirty") + mib("Private_Clean") };
}

function cpuSeconds(pid: number): number {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
    return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** Answers the gateway's resident memory, MiB. */
async function measure(title: string, extra: NodeJS.ProcessEnv): Promise<number> {
    const [port = 0] = await freePorts(1);
    const plant = await startModbus(port);
    const site = await TestSite.create(extra);
    try {
        await site.start();
        await site.kubectlOk(["apply", "-f", join(root, "examples/workloads/hello-flow.yaml")]);
        await site.kubectlOk(["rollout", "status", "daemonset/hello", "--timeout=60s"]);
        await addDevices(site, plant, port);
        const { cloud, edge } = await site.pids();
        if (cloud === undefined || edge === undefined) throw new Error("a process is missing");
        const before = { cloud: cpuSeconds(cloud), edge: cpuSeconds(edge) };
        await new Promise((resolve) => setTimeout(resolve, IDLE_S * 1000));
        for (const [role, pid] of Object.entries({ cloud, edge })) {
            const { rss, pss, private: own } = memoryMiB(pid);
            const percent = ((cpuSeconds(pid) - before[role as "cloud" | "edge"]) / IDLE_S) * 100;
            console.log(
                `${title}, ${role}: RSS ${rss.toFixed(0)} MiB, PSS ${pss.toFixed(0)} MiB, private ${own.toFixed(0)} MiB, CPU ${percent.toFixed(1)} % of a core`,
            );
        }
        return memoryMiB(edge).rss;
    } finally {
        await site.stop();
        await site.remove();
        plant.stop();
    }
}

/** Resolves when every device has been read. */
async function addDevices(site: TestSite, plant: ModbusPlant, port: number): Promise<void> {
    const devices = Array.from({ length: DEVICES }, (_, index) =>
        device(`d${index}`, 1 + (index % 250), port, PROPERTIES, { first: 4 * Math.floor(index / 250) }),
    );
    const polled = plant.polled(DEVICES);
    const items = [model(PROPERTIES), ...devices];
    await site.kubectlOk(["create", "-f", "-"], JSON.stringify({ apiVersion: "v1", kind: "List", items }));
    await polled;
}

async function main(): Promise<void> {
    console.log(
        `read from /proc/<pid>/smaps_rollup ${IDLE_S} s after the last start; broker, one flow pod, ${DEVICES} Modbus devices read each second`,
    );
    const headless = await measure("editors off", { REDGE_EDITOR: "off" });
    const verdict = headless <= GOAL_MIB ? "met" : "MISSED";
    console.log(
        `gateway, editor off: ${headless.toFixed(0)} MiB, ${verdict}: to reach ${GOAL_MIB} MiB [EdgeCore alone: 128 MiB]`,
    );
    const full = await measure("editors on", {});
    console.log(`the price of the editor at the gateway: ${(full - headless).toFixed(0)} MiB`);
}

if (process.argv[2] === "--modbus") serveModbus(process.argv[3] ?? "");
else await main();
