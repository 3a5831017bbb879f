// SPDX-License-Identifier: Apache-2.0
import { systemClock } from "../../src/core/clock.ts";
import { parseConfig } from "../../src/core/config.ts";
import { EdgeHub, type EdgeHubConfig, edgeHubConfig } from "../../src/edge/edgehub/index.ts";
import { newEnvelope } from "../../src/envelope/envelope.ts";
import { MemoryStore } from "../../src/store/memory-store.ts";
import { testPorts } from "../../test/support/link/ends.ts";
import { TestPki } from "../../test/support/link/test-pki.ts";
import { LoadEdge } from "./load-client.ts";
import { type ServerOptions, ServerProcess } from "./process.ts";
import { line, spread } from "./stats.ts";

const pki = new TestPki();
const wallMs = (): number => performance.timeOrigin + performance.now();

const scenarios: Readonly<Record<string, () => Promise<void>>> = {
    idle: async () => {
        await idle(1_000, true);
        await idle(5_000, true);
        await idle(5_000, false);
    },
    register: () => register(2_000),
    comeback: () => comeback(5_000),
    updates: async () => {
        await updates(1, 1_000);
        await updates(100, 20);
        await updates(1_000, 3);
    },
    devices: () => devices(1_000),
    reports,
    outage,
    names: () => names(20_000),
};

export async function bench(chosen: readonly string[]): Promise<void> {
    const run = chosen.length === 0 ? Object.keys(scenarios) : chosen;
    for (const name of run) {
        const scenario = scenarios[name];
        if (scenario === undefined)
            throw new Error(`no scenario "${name}"; there are ${Object.keys(scenarios).join(", ")}`);
        await scenario();
    }
}

async function withServer<T>(body: (server: ServerProcess) => Promise<T>, options: ServerOptions = {}): Promise<T> {
    const server = new ServerProcess(pki, options);
    try {
        await server.start();
        return await body(server);
    } finally {
        await server.remove();
    }
}

function makeEdges(port: number, count: number, redge: boolean): LoadEdge[] {
    return Array.from({ length: count }, (_, n) => {
        const node = `edge-${n}`;
        return new LoadEdge({ node, port, tls: pki.node(node), redge, heartbeatMs: 15_000 });
    });
}

/** At most `parallel` handshakes at a time; resolves when all are connected. */
async function connectAll(edges: readonly LoadEdge[], parallel = 64): Promise<number> {
    const beganMs = wallMs();
    let next = 0;
    const worker = async (): Promise<void> => {
        for (let edge = edges[next++]; edge !== undefined; edge = edges[next++]) {
            const current = edge;
            await new Promise<void>((resolve) => {
                current.onConnected = resolve;
                current.connect();
            });
        }
    };
    await Promise.all(Array.from({ length: parallel }, worker));
    return wallMs() - beganMs;
}

interface Memory {
    readonly rss: number;
    readonly heapUsed: number;
    readonly cpuMs: number;
    readonly online: number;
}

/** `bare`: CloudHub alone, with nothing on its wires. */
async function idle(count: number, bare: boolean): Promise<void> {
    await withServer(
        async (server) => {
            const before = await server.ask<Memory>({ job: "memory" });
            const edges = makeEdges(server.port, count, true);
            const tookMs = await connectAll(edges);
            await new Promise((resolve) => setTimeout(resolve, 2_000));
            const after = await server.ask<Memory>({ job: "memory" });
            const each = (after.rss - before.rss) / count / 1024;
            const heap = (after.heapUsed - before.heapUsed) / count / 1024;
            line(
                `${count} idle edges, ${bare ? "CloudHub alone" : "CloudHub with both controllers"}`,
                `${after.online} connected, ${each.toFixed(1)} KiB RSS each (${heap.toFixed(1)} of it JS heap), ` +
                    `${(count / (tookMs / 1000)).toFixed(0)} handshakes/s`,
                "at most 70 KiB; KubeEdge 150 to 175",
            );
            for (const edge of edges) edge.stop();
        },
        { bare },
    );
}

async function register(count: number): Promise<void> {
    await withServer(async (server) => {
        const edges = makeEdges(server.port, count, false);
        const before = await server.ask<Memory>({ job: "memory" });
        const began = wallMs();
        const registered = edges.map(
            (edge, n) =>
                new Promise<void>((resolve) => {
                    edge.onConnected = () => {
                        const route = {
                            source: "edged",
                            group: "meta",
                            operation: "insert",
                            resource: `null/node/edge-${n}`,
                        };
                        const metadata = { name: `edge-${n}`, labels: { "node-role.kubernetes.io/edge": "" } };
                        void edge.ask(route, { metadata, spec: {}, status: {} }).then(() => resolve());
                    };
                }),
        );
        let at = 0;
        const worker = async (): Promise<void> => {
            for (let n = at++; n < edges.length; n = at++) {
                edges[n]?.connect();
                await registered[n];
            }
        };
        await Promise.all(Array.from({ length: 64 }, worker));
        const perSecond = count / ((wallMs() - began) / 1000);
        const cpuMs = ((await server.ask<Memory>({ job: "memory" })).cpuMs - before.cpuMs) / count;
        line(
            `registrations (connect, Node created, answered) of ${count} edges`,
            `${perSecond.toFixed(0)}/s, ${cpuMs.toFixed(1)} ms of the cloud's CPU each`,
            "at least 300/s; KubeEdge 35",
        );
        for (const edge of edges) edge.stop();
    });
}

async function comeback(count: number): Promise<void> {
    const server = new ServerProcess(pki);
    try {
        await server.start();
        const edges = makeEdges(server.port, count, true);
        await connectAll(edges);
        await server.kill();
        const back = Promise.all(
            edges.map(
                (edge) =>
                    new Promise<void>((resolve) => {
                        edge.onConnected = resolve;
                    }),
            ),
        );
        const killedMs = wallMs();
        await server.start();
        const upMs = wallMs();
        await back;
        line(
            `${count} edges back after kill -9 of the cloud`,
            `${((wallMs() - upMs) / 1000).toFixed(1)} s after it listened again (it was away ${((upMs - killedMs) / 1000).toFixed(1)} s)`,
        );
        for (const edge of edges) edge.stop();
    } finally {
        await server.remove();
    }
}

async function updates(count: number, each: number): Promise<void> {
    for (const redge of [true, false]) {
        await withServer(async (server) => {
            const edges = makeEdges(server.port, count, redge);
            const nodes = edges.map((_, n) => `edge-${n}`);
            const seen = new Map<string, number>();
            let wanted = 0;
            let done = (): void => {};
            const all = (number: number): Promise<void> => {
                wanted = number;
                seen.clear();
                return new Promise((resolve) => {
                    done = resolve;
                });
            };
            for (const edge of edges) {
                edge.onPush = ({ route, content }) => {
                    const [, type, name = ""] = route.resource.split("/");
                    if (type !== "configmap") return;
                    const { data } = content as { data: { round: string } };
                    seen.set(`${name} ${data.round}`, wallMs());
                    if (seen.size === wanted) done();
                };
            }
            await connectAll(edges);
            const first = all(count * each);
            await server.ask({ job: "workloads", nodes, each });
            await first;
            const second = all(count * each);
            const taken = await server.ask<Record<string, number>>({ job: "update", nodes, each, round: 1 });
            const lastTakenMs = Math.max(...Object.values(taken));
            const firstTakenMs = Math.min(...Object.values(taken));
            await second;
            const lastMs = Math.max(...seen.values());
            const delays = Object.entries(taken).map(([name, ms]) => (seen.get(`${name} 1`) ?? Number.NaN) - ms);
            const rate = (count * each) / ((lastMs - firstTakenMs) / 1000);
            line(
                `${count * each} ConfigMap updates to ${count} ${redge ? "Redge" : "stock"} edges`,
                `last acknowledged ${(lastMs - lastTakenMs).toFixed(0)} ms after the API took the last; ` +
                    `${rate.toFixed(0)}/s, each ${spread(delays)}`,
                count === 1 ? "at most 300 ms; KubeEdge 7000" : undefined,
            );
            for (const edge of edges) edge.stop();
        });
    }
}

async function devices(count: number): Promise<void> {
    await withServer(async (server) => {
        const [edge] = makeEdges(server.port, 1, true);
        if (edge === undefined) return;
        let seen = 0;
        const all = new Promise<number>((resolve) => {
            edge.onPush = ({ route }) => {
                if (!route.resource.startsWith("default/device/")) return;
                seen += 1;
                if (seen === count) resolve(wallMs());
            };
        });
        await connectAll([edge]);
        await server.ask({ job: "model" });
        const takenMs = await server.ask<number>({ job: "devices", node: "edge-0", count });
        line(
            `${count} devices on one gateway`,
            `last acknowledged ${((await all) - takenMs).toFixed(0)} ms after the API took the last`,
            "at most 1000 ms; KubeEdge 30000",
        );
        edge.stop();
    });
}

function report(n: number, value: number) {
    const timestamp = Date.now();
    return {
        event_id: "",
        timestamp,
        twin: { value: { actual: { value: String(value), metadata: { timestamp } }, metadata: { type: "INT" } } },
        device: `meter-${n}`,
    };
}

/** Through a real EdgeHub (outbox in memory: the disk is measured by the store's own bench) as fast as it takes them. */
async function reports(): Promise<void> {
    const deviceCount = 200;
    const total = 20_000;
    await withServer(async (server) => {
        const hub = new EdgeHub(parseConfig<EdgeHubConfig>(edgeHubConfig, { url: `wss://127.0.0.1:${server.port}` }), {
            ...testPorts,
            identity: pki.edgeIdentity("edge-0"),
            store: new MemoryStore(),
        });
        const sent = new Map<string, number>();
        const delays: number[] = [];
        const connected = new Promise<void>((resolve) => {
            hub.on("output", (output, envelope) => {
                if (output === "link") resolve();
                const parent = envelope.header.parent_msg_id;
                const beganMs = parent === undefined ? undefined : sent.get(parent);
                if (beganMs !== undefined) delays.push(wallMs() - beganMs);
                if (parent === undefined && output !== "link") {
                    const route = { ...envelope.route, operation: "response" };
                    void hub.receive(newEnvelope({ route, content: "OK", parentId: envelope.header.msg_id }));
                }
            });
        });
        await hub.start();
        await connected;
        await server.ask({ job: "model" });
        await server.ask({ job: "devices", node: "edge-0", count: deviceCount });
        await new Promise((resolve) => setTimeout(resolve, 1_000));
        const began = wallMs();
        const perSecond = 2_000;
        for (let n = 0; n < total; n += 1) {
            const device = n % deviceCount;
            const envelope = newEnvelope({
                route: {
                    source: "twin",
                    group: "resource",
                    operation: "update",
                    resource: `device/default/meter-${device}/twin/edge_updated`,
                },
                content: report(device, n),
            });
            sent.set(envelope.header.msg_id, wallMs());
            void hub.receive(envelope);
            const aheadMs = began + (n * 1000) / perSecond - wallMs();
            if (aheadMs > 5)
                await new Promise(
                    (resolve) => systemClock.after(aheadMs, () => resolve(undefined)) && setTimeout(resolve, aheadMs),
                );
        }
        const offeredMs = wallMs() - began;
        let visible = { visible: 0, values: [] as string[] };
        const newest = Array.from({ length: deviceCount }, (_, n) => String(total - deviceCount + n)).sort();
        for (;;) {
            visible = await server.ask({ job: "reported", count: deviceCount });
            if ([...visible.values].sort().join() === newest.join()) break;
            if (wallMs() - began > 60_000) break;
            await new Promise((resolve) => setTimeout(resolve, 20));
        }
        const endedMs = wallMs() - began;
        line(
            `${total} twin reports of ${deviceCount} devices from EdgeHub to the API`,
            `offered in ${(offeredMs / 1000).toFixed(1)} s, newest of all visible after ${(endedMs / 1000).toFixed(1)} s: ` +
                `${(total / (endedMs / 1000)).toFixed(0)}/s; ${delays.length} confirmed one by one (the rest joined to newer ones), ` +
                `confirmation ${spread(delays)}; first report of every device visible: ${visible.visible === deviceCount}`,
            "at least 1000/s, p99 under 1 s; KubeEdge 36 to 183",
        );
        await hub.stop();
    });
}

async function outage(): Promise<void> {
    const server = new ServerProcess(pki);
    try {
        await server.start();
        const hub = new EdgeHub(parseConfig<EdgeHubConfig>(edgeHubConfig, { url: `wss://127.0.0.1:${server.port}` }), {
            ...testPorts,
            identity: pki.edgeIdentity("edge-0"),
            store: new MemoryStore(),
        });
        let onLink: (operation: string) => void = () => {};
        hub.on("output", (output, { route }) => {
            if (output === "link") onLink(route.operation);
        });
        const until = (operation: string): Promise<number> =>
            new Promise((resolve) => {
                onLink = (seen) => {
                    if (seen === operation) resolve(wallMs());
                };
            });
        const samples: number[] = [];
        const first = until("connect");
        await hub.start();
        await first;
        for (let round = 0; round < 5; round += 1) {
            await new Promise((resolve) => setTimeout(resolve, 2_000));
            const gone = until("disconnect");
            await server.kill();
            const goneMs = await gone;
            await new Promise((resolve) => setTimeout(resolve, 1_000));
            const back = until("connect");
            await server.start();
            samples.push((await back) - goneMs);
        }
        line(
            "back after an outage of 1 s plus the start of the cloud",
            samples.map((ms) => `${(ms / 1000).toFixed(1)} s`).join(", "),
            "within 3 s; KubeEdge 30",
        );
        await hub.stop();
    } finally {
        await server.remove();
    }
}

async function names(count: number): Promise<void> {
    await withServer(
        async (server) => {
            const tls = pki.node("anybody");
            const visit = async (n: number): Promise<void> => {
                const edge = new LoadEdge({
                    node: `visitor-${n}`,
                    port: server.port,
                    tls,
                    redge: true,
                    heartbeatMs: 15_000,
                });
                await new Promise<void>((resolve) => {
                    edge.onConnected = resolve;
                    edge.connect();
                });
                edge.stop();
            };
            const round = async (from: number, to: number): Promise<number> => {
                let next = from;
                const worker = async (): Promise<void> => {
                    for (let n = next++; n < to; n = next++) await visit(n);
                };
                await Promise.all(Array.from({ length: 64 }, worker));
                await new Promise((resolve) => setTimeout(resolve, 3_000));
                return (await server.ask<Memory>({ job: "memory" })).heapUsed;
            };
            const warm = await round(0, 2_000);
            const after = await round(2_000, count);
            line(
                `live heap after ${count} node names came and went`,
                `${(warm / 1_048_576).toFixed(1)} MiB after the first 2000, ${(after / 1_048_576).toFixed(1)} MiB after all: ` +
                    `${((after - warm) / (count - 2_000)).toFixed(0)} bytes a name`,
                "flat; KubeEdge 4.5 KiB each",
            );
        },
        { authorization: "kubeedge" },
    );
}
