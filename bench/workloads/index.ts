// SPDX-License-Identifier: Apache-2.0
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { GatewayFlowHost } from "../../nodes/edge/edged/flow-host.ts";
import type { NodeRedEvents, NodeRedRuntime } from "../../nodes/edge/edged/flow-host-red.ts";
import { podFlowStorage } from "../../nodes/edge/edged/pod-flow-storage.ts";
import { FlowRuntime } from "../../src/edge/edged/index.ts";
import type { Pod } from "../../src/edge/edged/podspec/types.ts";
import { CriRuntime } from "../../src/edge/edged/runtimes/cri/cri-runtime.ts";
import { DockerRuntime } from "../../src/edge/edged/runtimes/docker/docker-runtime.ts";
import type { PodRuntime } from "../../src/edge/edged/runtimes/runtime.ts";
import { openStore } from "../../src/store/open-store.ts";
import { configMap, flowPod, type Gateway, pod, startGateway, testPorts } from "../../test/edge/edged/harness.ts";
import { startContainerd } from "../../test/support/containerd.ts";
import { BUSYBOX, startDocker } from "../../test/support/docker.ts";

/**
 * Times from the moment a pod exists in the API (the push leaves the cloud) to its process running and to Running in the
 * API, p50 and p99, with 1, 20 and 100 pods applied at once; then what the gateway costs while they run. One process holds
 * MetaManager, Edged, the store (nedb, flushed) and, for flows, Node-RED without its editor; the cloud end is in memory.
 *   npm run bench:workloads [flow|docker|containerd] [counts, e.g. 1,20]
 */
const COUNTS = (process.argv[3] ?? "1,20,100").split(",").map(Number);
const ONLY = process.argv[2];
const IDLE_SECONDS = 10;
const FLOW = JSON.stringify([
    { id: "t", type: "tab" },
    { id: "i", type: "inject", z: "t", once: true, onceDelay: 60, repeat: "60", props: [], x: 1, y: 1, wires: [["d"]] },
    { id: "d", type: "debug", z: "t", active: true, tosidebar: true, x: 2, y: 1, wires: [] },
]);

interface Kind {
    readonly name: string;
    runtime(dir: string, store: Parameters<Parameters<typeof startGateway>[0]["runtimes"]>[1]): PodRuntime;
    pod(name: string): Pod;
    close(): Promise<void>;
}

async function flowKind(dir: string): Promise<Kind> {
    type Red = NodeRedEvents & {
        init(server: unknown, settings: object): void;
        start(): Promise<void>;
        stop(): Promise<void>;
        runtime: NodeRedRuntime;
    };
    const from = join(process.cwd(), "package.json");
    const RED = createRequire(from)("node-red") as Red;
    RED.init(createServer(), {
        userDir: dir,
        httpAdminRoot: false,
        httpNodeRoot: false,
        credentialSecret: false,
        telemetry: { enabled: false },
        logging: { console: { level: "off" } },
        storageModule: podFlowStorage(from),
    });
    const started = new Promise((resolve) => RED.events.once("flows:started", resolve));
    await RED.start();
    await started;
    return {
        name: "flow",
        runtime: (logDir, store) =>
            new FlowRuntime({ ...testPorts, store, host: new GatewayFlowHost(RED, RED.runtime, testPorts), logDir }),
        pod: flowPod,
        close: () => RED.stop(),
    };
}

function containerPod(image: string): (name: string) => Pod {
    const command = ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 1; done"];
    return (name) => pod(name, { containers: [{ name: "main", image, imagePullPolicy: "IfNotPresent", command }] });
}

async function dockerKind(): Promise<Kind> {
    const engine = await startDocker();
    return {
        name: "docker",
        runtime: () => new DockerRuntime({ ...testPorts, socket: engine.socket, owner: "bench" }),
        pod: containerPod(BUSYBOX),
        close: () => engine.stop(),
    };
}

async function containerdKind(): Promise<Kind> {
    const engine = await startContainerd();
    return {
        name: "containerd",
        runtime: (logDir) => new CriRuntime({ ...testPorts, socket: engine.socket, owner: "bench", logDir }),
        pod: containerPod(engine.image),
        close: () => engine.stop(),
    };
}

async function wait(look: () => boolean): Promise<void> {
    while (!look()) await new Promise((resolve) => setTimeout(resolve, 2));
}

/** Applies `count` pods at once; milliseconds to the process and to the API's Running, of each. */
async function apply(gateway: Gateway, kind: Kind, count: number): Promise<{ started: number[]; running: number[] }> {
    const names = Array.from({ length: count }, (_, index) => `${kind.name}-${count}-${index}`);
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
        return running.size === count;
    });
    const started = gateway.edged.pods.workers.flatMap(({ record }) =>
        (record?.containers ?? []).map(({ state }) =>
            state.phase === "running" ? state.startedMs - beganMs : Number.NaN,
        ),
    );
    return { started, running: [...running.values()] };
}

function percentile(values: readonly number[], share: number): number {
    const sorted = [...values].sort((a, b) => a - b);
    return Math.round(sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN);
}

async function idle(): Promise<{ cpuPercent: number; rssMiB: number }> {
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    const before = process.cpuUsage();
    await new Promise((resolve) => setTimeout(resolve, IDLE_SECONDS * 1000));
    const used = process.cpuUsage(before);
    const cpuPercent = (used.user + used.system) / (IDLE_SECONDS * 1e6) / 0.01;
    return { cpuPercent, rssMiB: process.memoryUsage.rss() / 2 ** 20 };
}

async function measure(make: (dir: string) => Promise<Kind>): Promise<void> {
    const dir = await mkdtemp(join(tmpdir(), "redge-bench-workloads-"));
    const kind = await make(dir);
    for (const count of COUNTS) {
        const rootDir = await mkdtemp(join(dir, `${count}-`));
        const store = await openStore({ engine: "nedb", path: join(rootDir, "store.db") }, testPorts);
        const gateway = await startGateway({
            runtimes: (logs, from) => [kind.runtime(join(logs, "logs"), from)],
            store,
            rootDir,
        });
        const { started, running } = await apply(gateway, kind, count);
        const { cpuPercent, rssMiB } = await idle();
        console.log(
            `${kind.name.padEnd(10)} ${String(count).padStart(3)} pods: process p50 ${percentile(started, 0.5)} ms, p99 ${percentile(started, 0.99)} ms; ` +
                `Running in the API p50 ${percentile(running, 0.5)} ms, p99 ${percentile(running, 0.99)} ms; ` +
                `idle ${cpuPercent.toFixed(2)} % of a core, ${rssMiB.toFixed(0)} MiB resident`,
        );
        for (const { metadata } of gateway.edged.pods.workers.map((worker) => worker.pod)) {
            gateway.cloud.deletePod(`default/pod/${metadata.name}`, 1);
        }
        await wait(() => gateway.edged.pods.workers.length === 0);
        await gateway.stop();
        await store.close();
    }
    await kind.close();
    await rm(dir, { recursive: true, force: true });
}

const kinds = { flow: flowKind, docker: dockerKind, containerd: containerdKind };
for (const [name, make] of Object.entries(kinds)) if (ONLY === undefined || ONLY === name) await measure(make);
process.exit(0);
