// SPDX-License-Identifier: Apache-2.0
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { openStore } from "../../src/store/open-store.ts";
import { configMap, type Gateway, startGateway, testPorts } from "../../test/edge/edged/harness.ts";
import { crunPart } from "../../test/support/docker.ts";
import { engineAlone } from "./engine-alone.ts";
import { p50p99, print } from "./figures.ts";
import { containerdKind, dockerKind, flowKind, type Kind } from "./kinds.ts";
import { wholeSite } from "./site.ts";

/**
 * Times from the moment a pod exists in the API (the push leaves the cloud) to its process running and to Running in the
 * API, p50 and p99: of single pods one after another, each with the engine alone beside it (the same sandbox and container
 * made without a gateway: what no agent can go below), then of 20 and 100 pods applied at once; and what the gateway costs
 * while they run. One process holds MetaManager, Edged, the store (nedb, flushed) and, for flows, Node-RED without its
 * editor; the cloud end is in memory. The first pods warm the engine up and are not counted.
 * `site` goes the whole way instead, see site.ts.
 *   npm run bench:workloads [-- flow|docker|containerd|crun|bridge [COUNTS, e.g. 0,1,20]]
 *   npm run bench:workloads -- site [--edgecore PATH]
 */
const { positionals, values } = parseArgs({ allowPositionals: true, options: { edgecore: { type: "string" } } });
const [ONLY, counts = "0,1,20,100"] = positionals;
const COUNTS = counts.split(",").map(Number);
const IDLE_SECONDS = 10;
const WARM_UP = 2;
const SINGLES = 15;
const FLOW = JSON.stringify([
    { id: "t", type: "tab" },
    { id: "i", type: "inject", z: "t", once: true, onceDelay: 60, repeat: "60", props: [], x: 1, y: 1, wires: [["d"]] },
    { id: "d", type: "debug", z: "t", active: true, tosidebar: true, x: 2, y: 1, wires: [] },
]);

interface Times {
    readonly started: number[];
    readonly running: number[];
}

async function wait(look: () => boolean): Promise<void> {
    while (!look()) await new Promise((resolve) => setTimeout(resolve, 2));
}

/** Applies pods at once; milliseconds to the process and to the API's Running, of each. */
async function apply(gateway: Gateway, kind: Kind, names: readonly string[]): Promise<Times> {
    const beganMs = Date.now();
    const running = new Map<string, number>();
    for (const name of names) {
        gateway.cloud.apply(`default/configmap/${name}-flow`, configMap(`${name}-flow`, { "a.json": FLOW }));
        gateway.cloud.apply(`default/pod/${name}`, kind.pod(name));
    }
    await wait(() => {
        for (const name of names) {
            const isRunning = gateway.cloud.status(`default/pod/${name}`)?.phase === "Running";
            if (isRunning && !running.has(name)) running.set(name, Date.now() - beganMs);
        }
        return running.size === names.length;
    });
    const mine = gateway.edged.pods.workers.filter(({ pod }) => names.includes(pod.metadata.name));
    const started = mine.flatMap(({ record }) =>
        (record?.containers ?? []).map(({ state }) =>
            state.phase === "running" ? state.startedMs - beganMs : Number.NaN,
        ),
    );
    return { started, running: [...running.values()] };
}

async function removeAll(gateway: Gateway): Promise<void> {
    for (const { pod } of gateway.edged.pods.workers) gateway.cloud.deletePod(`default/pod/${pod.metadata.name}`, 1);
    await wait(() => gateway.edged.pods.workers.length === 0);
}

function printTimes(kind: Kind, what: string, { started, running }: Times): void {
    print(kind.name, what, `process ${p50p99(started)}; Running in the API ${p50p99(running)}`);
}

async function printIdle(kind: Kind, count: number): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    const before = process.cpuUsage();
    await new Promise((resolve) => setTimeout(resolve, IDLE_SECONDS * 1000));
    const used = process.cpuUsage(before);
    const cpuPercent = (used.user + used.system) / (IDLE_SECONDS * 1e6) / 0.01;
    const rssMiB = process.memoryUsage.rss() / 2 ** 20;
    print(kind.name, `${count} pods`, `idle ${cpuPercent.toFixed(2)} % of a core, ${rssMiB.toFixed(0)} MiB resident`);
}

/** Single pods in turn with the engine alone, so that both see the same machine. */
async function singles(gateway: Gateway, kind: Kind): Promise<void> {
    const engine = await engineAlone(kind);
    const times: Times = { started: [], running: [] };
    const alone: number[] = [];
    for (let turn = -WARM_UP; turn < SINGLES; turn += 1) {
        const engineMs = await engine.start();
        const { started, running } = await apply(gateway, kind, [`single-${turn + WARM_UP}`]);
        await removeAll(gateway);
        if (turn < 0) continue;
        if (engineMs !== undefined) alone.push(engineMs);
        times.started.push(...started);
        times.running.push(...running);
    }
    await engine.stop();
    if (alone.length > 0) print(kind.name, "engine alone", `process ${p50p99(alone)}`);
    printTimes(kind, "1 pod", times);
}

async function measure(make: () => Promise<Kind>): Promise<void> {
    const kind = await make();
    for (const count of COUNTS) {
        const rootDir = await mkdtemp(join(tmpdir(), "redge-bench-workloads-"));
        const store = await openStore({ engine: "nedb", path: join(rootDir, "store.db") }, testPorts);
        const gateway = await startGateway({
            runtimes: (logs, from) => [kind.runtime(join(logs, "logs"), from)],
            store,
            rootDir,
        });
        if (count === 1) await singles(gateway, kind);
        const names = Array.from({ length: count }, (_, index) => `pod-${count}-${index}`);
        const times = await apply(gateway, kind, names);
        if (count > 1) printTimes(kind, `${count} at once`, times);
        await printIdle(kind, count);
        await removeAll(gateway);
        await gateway.stop();
        await store.close();
        await rm(rootDir, { recursive: true, force: true });
    }
    await kind.close();
}

const kinds = {
    flow: flowKind,
    docker: dockerKind,
    containerd: () => containerdKind("containerd", "runc"),
    crun: () => containerdKind("crun", "crun"),
    // What containerd can do at its quickest: crun, and a network that is a bridge and nothing else.
    bridge: () => containerdKind("crun, bridge", "crun", true),
};
if (ONLY === undefined || ONLY === "site") await wholeSite(values.edgecore);
if (crunPart.probe() !== undefined) console.log(`without crun: ${crunPart.probe()}`);
for (const [name, make] of Object.entries(kinds)) {
    if (ONLY !== undefined && ONLY !== name) continue;
    if (["crun", "bridge"].includes(name) && crunPart.probe() !== undefined) continue;
    await measure(make);
}
process.exit(0);
