// SPDX-License-Identifier: Apache-2.0
import { parseConfig } from "../../src/core/config.ts";
import { EdgeHub, type EdgeHubConfig, edgeHubConfig } from "../../src/edge/edgehub/index.ts";
import { newEnvelope } from "../../src/envelope/envelope.ts";
import { MemoryStore } from "../../src/store/memory-store.ts";
import { testPorts } from "../../test/support/link/ends.ts";
import type { ApiKind } from "./cluster.ts";
import { connectAll, makeEdges, pause, pki, wallMs, withServer } from "./harness.ts";
import { line, percentile, spread } from "./stats.ts";
import { load } from "./transport.ts";

export async function updates(count: number, each: number, api: ApiKind): Promise<void> {
    for (const redge of load.transport === "quic" ? [true] : [true, false]) {
        await withServer(
            async (server) => {
                const edges = makeEdges(server, count, redge);
                const nodes = edges.map((_, n) => `edge-${n}`);
                const seen = new Map<string, number>();
                let wanted = 0;
                let round = "0";
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
                        // The first versions may come twice, and the second time late.
                        if (data.round !== round) return;
                        seen.set(`${name} ${round}`, wallMs());
                        if (seen.size === wanted) done();
                    };
                }
                await connectAll(edges);
                const first = all(count * each);
                await server.ask({ job: "workloads", nodes, each });
                await first;
                round = "1";
                const second = all(count * each);
                const taken = await server.ask<Record<string, number>>({ job: "update", nodes, each, round: 1 });
                const lastTakenMs = Math.max(...Object.values(taken));
                const firstTakenMs = Math.min(...Object.values(taken));
                await second;
                const lastMs = Math.max(...seen.values());
                const delays = Object.entries(taken).map(([name, ms]) => (seen.get(`${name} 1`) ?? Number.NaN) - ms);
                const rate = (count * each) / ((lastMs - firstTakenMs) / 1000);
                line(
                    `${count * each} ConfigMap updates to ${count} ${redge ? "Redge" : "stock"} edges, ${server.what}`,
                    `last acknowledged ${(lastMs - lastTakenMs).toFixed(0)} ms after the API took the last; ` +
                        `${rate.toFixed(0)}/s, each ${spread(delays)}`,
                    // Beyond one edge nothing is asked but the figure; a stock edge takes one object at a time.
                    count === 1 && redge
                        ? { text: "at most 300 ms; KubeEdge 7000", met: lastMs - lastTakenMs <= 300 }
                        : undefined,
                );
                for (const edge of edges) edge.stop();
            },
            { api },
        );
    }
}

export async function devices(count: number, api: ApiKind): Promise<void> {
    await withServer(
        async (server) => {
            const [edge] = makeEdges(server, 1, true);
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
            const lateMs = (await all) - takenMs;
            line(
                `${count} devices on one gateway, ${server.what}`,
                `last acknowledged ${lateMs.toFixed(0)} ms after the API took the last`,
                { text: "at most 1000 ms; KubeEdge 30000", met: lateMs <= 1_000 },
            );
            edge.stop();
        },
        { api },
    );
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
export async function reports(api: ApiKind): Promise<void> {
    const deviceCount = 200;
    const total = 12_000;
    await withServer(
        async (server) => {
            const hub = new EdgeHub(
                parseConfig<EdgeHubConfig>(edgeHubConfig, {
                    url: `wss://127.0.0.1:${server.port}`,
                    transport: load.transport,
                    quicPort: server.quicPort,
                }),
                {
                    ...testPorts,
                    identity: pki.edgeIdentity("edge-0"),
                    store: new MemoryStore(),
                },
            );
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
            await pause(1_000);
            const began = wallMs();
            const perSecond = 1_200;
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
                if (aheadMs > 5) await pause(aheadMs);
            }
            const offeredMs = wallMs() - began;
            let visible = { visible: 0, values: [] as string[] };
            const newest = Array.from({ length: deviceCount }, (_, n) => String(total - deviceCount + n)).sort();
            for (;;) {
                visible = await server.ask({ job: "reported", count: deviceCount });
                if ([...visible.values].sort().join() === newest.join()) break;
                if (wallMs() - began > 60_000) break;
                await pause(20);
            }
            const endedMs = wallMs() - began;
            line(
                `${total} twin reports of ${deviceCount} devices from EdgeHub to the API, ${server.what}`,
                `offered in ${(offeredMs / 1000).toFixed(1)} s, newest of all visible after ${(endedMs / 1000).toFixed(1)} s: ` +
                    `${(total / (endedMs / 1000)).toFixed(0)}/s; ${delays.length} confirmed one by one (the rest joined to newer ones), ` +
                    `confirmation ${spread(delays)}; first report of every device visible: ${visible.visible === deviceCount}`,
                {
                    text: "at least 1000/s, p99 under 1 s, every first report; KubeEdge 36 to 183",
                    met:
                        total / (endedMs / 1000) >= 1_000 &&
                        percentile(delays, 0.99) < 1_000 &&
                        visible.visible === deviceCount,
                },
            );
            await hub.stop();
        },
        { api },
    );
}
