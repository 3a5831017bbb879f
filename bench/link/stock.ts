// SPDX-License-Identifier: Apache-2.0
import { allWithin, pause, registerAll, wallMs } from "./harness.ts";
import { LoadEdge } from "./load-client.ts";
import { line, spread } from "./stats.ts";
import { StockCloud } from "./stock-cloud.ts";

const PARALLEL = 64;
/** CloudCore drops an edge that is silent for 30 s. */
const HOLD_MS = 40_000;
/** An EdgeCore registers some time after it connected; before CloudCore has begun its session it would be forgotten. */
const SETTLE_MS = 1_000;
const MANY = 256;
const MEBIBYTE = 1_048_576;

/** The same load on a stock CloudCore, so that its figures can be set beside Redge's from the same machine. */
export async function stock(binary: string, count: number, each: number): Promise<void> {
    const cloud = await StockCloud.start(binary, count + 10);
    try {
        const names = Array.from({ length: count }, (_, n) => `edge-${n}`);
        const began = wallMs();
        const pairs = await allWithin(PARALLEL, names, (node) => cloud.certificate(node));
        line(`CloudCore: ${count} certificates by join token`, `${rate(count, wallMs() - began)}/s`);
        const edges = names.map((node, n) => {
            const tls = pairs[n];
            if (tls === undefined) throw new Error(`${node} has no certificate`);
            return new LoadEdge({ node, port: cloud.port, tls, redge: false, heartbeatMs: 15_000 });
        });
        for (const edge of edges) edge.prepare();
        // What the process takes for itself, whoever connects, is not the edges'.
        const half = Math.ceil(count / 2);
        const before = cloud.used();
        const firstMs = await registerAll(edges.slice(0, half), MANY, SETTLE_MS);
        await pause(5 * SETTLE_MS);
        const middle = cloud.used();
        const tookMs = firstMs + (await registerAll(edges.slice(half), MANY, SETTLE_MS));
        const repeats = edges.reduce((sum, edge) => sum + edge.repeats, 0);
        const cpuMs = (cloud.used().cpuMs - before.cpuMs) / count;
        line(
            `CloudCore: registrations (connect, Node created, answered) of ${count} edges, ${cloud.api.what}`,
            `${rate(count, tookMs)}/s, ${cpuMs.toFixed(1)} ms of its CPU each, ${repeats} connected and asked again for want of an answer`,
        );
        await pause(HOLD_MS);
        const online = edges.filter(({ connected }) => connected).length;
        const { rss } = cloud.used();
        line(
            `CloudCore: ${count} idle edges for ${HOLD_MS / 1000} s`,
            `${online} connected, ${((rss - middle.rss) / (count - half) / 1024).toFixed(0)} KiB RSS for each of the second half ` +
                `(${(rss / MEBIBYTE).toFixed(0)} MiB in all)`,
        );
        if (online !== count)
            throw new Error(`CloudCore lost edges: ${edges.find((edge) => !edge.connected)?.lastTrouble}`);
        await updates(cloud, edges, each);
        for (const edge of edges) edge.stop();
    } finally {
        await cloud.remove();
    }
}

/** `each` ConfigMaps of one edge, changed once after its pod is there: before that CloudCore does not know whose they are. */
async function updates(cloud: StockCloud, edges: readonly LoadEdge[], each: number): Promise<void> {
    const nodes = ["edge-0"];
    const [edge] = edges;
    if (edge === undefined) return;
    const seen = new Map<string, number>();
    let wake = (): void => {};
    let podCame = (): void => {};
    const pod = new Promise<void>((resolve) => {
        podCame = resolve;
    });
    edge.onPush = ({ route, content }) => {
        const [, type, name = ""] = route.resource.split("/");
        if (type === "pod") podCame();
        if (type !== "configmap") return;
        const { data } = content as { data: { round: string } };
        const key = `${name} ${data.round}`;
        if (!seen.has(key)) seen.set(key, wallMs());
        wake();
    };
    const round = async (number: number): Promise<void> => {
        const all = () => [...seen.keys()].filter((key) => key.endsWith(` ${number}`)).length >= each;
        while (!all()) {
            await new Promise<void>((resolve) => {
                wake = resolve;
            });
        }
    };
    await cloud.api.ask({ job: "workloads", nodes, each });
    await pod;
    const taken = await cloud.api.ask<Record<string, number>>({ job: "update", nodes, each, round: 1 });
    await round(1);
    const lastTakenMs = Math.max(...Object.values(taken));
    const delays = Object.entries(taken).map(([name, ms]) => (seen.get(`${name} 1`) ?? Number.NaN) - ms);
    line(
        `CloudCore: ${each} ConfigMap updates to 1 edge, ${cloud.api.what}`,
        `last acknowledged ${(Math.max(...seen.values()) - lastTakenMs).toFixed(0)} ms after the API took the last, each ${spread(delays)}`,
    );
}

function rate(count: number, ms: number): string {
    return (count / (ms / 1000)).toFixed(0);
}
