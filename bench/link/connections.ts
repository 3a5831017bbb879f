// SPDX-License-Identifier: Apache-2.0
import { parseConfig } from "../../src/core/config.ts";
import { EdgeHub, type EdgeHubConfig, edgeHubConfig } from "../../src/edge/edgehub/index.ts";
import { MemoryStore } from "../../src/store/memory-store.ts";
import { testPorts } from "../../test/support/link/ends.ts";
import { Relay } from "../../test/support/link/relay.ts";
import { connectAll, type Memory, makeEdges, pause, pki, registerAll, wallMs, withServer } from "./harness.ts";
import { LoadEdge } from "./load-client.ts";
import { ServerProcess } from "./process.ts";
import { line, spread } from "./stats.ts";
import { load } from "./transport.ts";

/**
 * Connected before what is measured and kept: what the process takes once, for code and for the heap's first growth, is not
 * the edges'.
 */
const WARM = 200;

/** `bare`: CloudHub alone, with nothing on its wires. */
export async function idle(count: number, bare: boolean): Promise<void> {
    await withServer(
        async (server) => {
            const all = makeEdges(server, WARM + count, true);
            const edges = all.slice(WARM);
            await connectAll(all.slice(0, WARM));
            await pause(2_000);
            const before = await server.ask<Memory>({ job: "memory" });
            const tookMs = await connectAll(edges);
            await pause(2_000);
            const after = await server.ask<Memory>({ job: "memory" });
            const each = (after.rss - before.rss) / count / 1024;
            const heap = (after.heapUsed - before.heapUsed) / count / 1024;
            line(
                `${count} idle edges, ${bare ? "CloudHub alone" : "CloudHub with both controllers"}`,
                `${after.online - WARM} connected, ${each.toFixed(1)} KiB RSS each (${heap.toFixed(1)} of it JS heap), ` +
                    `${(count / (tookMs / 1000)).toFixed(0)} handshakes/s`,
                // QUIC holds its streams and its TLS in memory of its own; the goal is the WebSocket's.
                load.transport === "quic"
                    ? undefined
                    : { text: "at most 70 KiB; KubeEdge 150 to 175", met: each <= 70 && after.online === WARM + count },
            );
            for (const edge of all) edge.stop();
        },
        { bare },
    );
}

export async function register(count: number): Promise<void> {
    await withServer(async (server) => {
        const edges = makeEdges(server, count, false);
        for (const edge of edges) edge.prepare();
        const before = await server.ask<Memory>({ job: "memory" });
        const own = process.cpuUsage();
        const tookMs = await registerAll(edges);
        const perSecond = count / (tookMs / 1000);
        const { user, system } = process.cpuUsage(own);
        const clientMs = (user + system) / 1000 / count;
        const cpuMs = ((await server.ask<Memory>({ job: "memory" })).cpuMs - before.cpuMs) / count;
        line(
            `registrations (connect, Node created, answered) of ${count} edges`,
            `${perSecond.toFixed(0)}/s, ${cpuMs.toFixed(1)} ms of the cloud's CPU each, ${clientMs.toFixed(1)} ms of the load's`,
            { text: "at least 300/s; KubeEdge 35", met: perSecond >= 300 },
        );
        for (const edge of edges) edge.stop();
    });
}

export async function comeback(count: number): Promise<void> {
    const server = new ServerProcess(pki);
    try {
        await server.start();
        const edges = makeEdges(server, count, true);
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
        const backMs = wallMs() - upMs;
        line(
            `${count} edges back after kill -9 of the cloud`,
            `${(backMs / 1000).toFixed(1)} s after it listened again (it was away ${((upMs - killedMs) / 1000).toFixed(1)} s)`,
        );
        for (const edge of edges) edge.stop();
    } finally {
        await server.remove();
    }
}

/** The network between the two is cut for a second; both processes stay. */
export async function outage(): Promise<void> {
    await withServer(async (server) => {
        const relay = new Relay(server.port);
        await relay.start();
        const url = `wss://127.0.0.1:${relay.port}`;
        const hub = new EdgeHub(parseConfig<EdgeHubConfig>(edgeHubConfig, { url }), {
            ...testPorts,
            identity: pki.edgeIdentity("edge-0"),
            store: new MemoryStore(),
        });
        let onConnect: () => void = () => {};
        hub.on("output", (output, { route }) => {
            if (output === "link" && route.operation === "connect") onConnect();
        });
        const connected = (): Promise<number> =>
            new Promise((resolve) => {
                onConnect = () => resolve(wallMs());
            });
        const first = connected();
        await hub.start();
        await first;
        const samples: number[] = [];
        for (let round = 0; round < 10; round += 1) {
            await pause(1_500);
            const cutMs = wallMs();
            await relay.stop();
            await pause(1_000);
            const back = connected();
            await relay.start();
            samples.push((await back) - cutMs - 1_000);
        }
        line("connected again after an outage of 1 s, 10 times", `${spread(samples)} after its end`, {
            text: "within 3 s; KubeEdge 30",
            met: Math.max(...samples) <= 3_000,
        });
        await hub.stop();
        await relay.stop();
    });
}

export async function names(count: number): Promise<void> {
    await withServer(
        async (server) => {
            const tls = pki.node("anybody");
            const visit = async (n: number): Promise<void> => {
                const edge = new LoadEdge({
                    node: `visitor-${n}`,
                    port: server.port,
                    quicPort: server.quicPort,
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
                await pause(3_000);
                return (await server.ask<Memory>({ job: "memory" })).heapUsed;
            };
            const warm = await round(0, 2_000);
            const after = await round(2_000, count);
            const eachBytes = (after - warm) / (count - 2_000);
            line(
                `live heap after ${count} node names came and went`,
                `${(warm / 1_048_576).toFixed(1)} MiB after the first 2000, ${(after / 1_048_576).toFixed(1)} MiB after all: ` +
                    `${eachBytes.toFixed(0)} bytes a name`,
                { text: "flat (at most 100 bytes a name); KubeEdge 4.5 KiB each", met: eachBytes <= 100 },
            );
        },
        { authorization: "kubeedge" },
    );
}
