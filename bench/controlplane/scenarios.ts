// SPDX-License-Identifier: Apache-2.0
import { cpus } from "node:os";
import type { KubeClient } from "../../src/kube/client/client.ts";
import { Kinds, type KubeObject } from "../../src/kube/types.ts";
import { type Engine, type Server, startServer } from "./server.ts";

const WRITES = 2000;
const WATCHED_WRITES = 300;
const NODES = 500;
const TEXT = "x".repeat(1000);

export async function run(names: readonly string[]): Promise<void> {
    const engines = (names.length > 0 ? names : ["sqlite", "nedb"]) as Engine[];
    line("machine", `${cpus().length} × ${cpus()[0]?.model ?? "?"}, Node.js ${process.version}`);
    for (const engine of engines) {
        const server = await startServer(engine);
        try {
            line(`${engine}: resident memory, idle`, megabytes(await server.memory()));
            await writes(engine, server, 1, 500);
            await writes(engine, server, 16, WRITES);
            await reads(engine, server);
            for (const watchers of [1, 100]) await watching(engine, server, watchers);
            await fleet(engine, server);
            line(`${engine}: resident memory, after all that`, megabytes(await server.memory()));
        } finally {
            await server.stop();
        }
    }
}

async function writes(engine: Engine, server: Server, parallel: number, count: number): Promise<void> {
    const client = server.client();
    const took: number[] = [];
    let next = 0;
    const began = performance.now();
    const worker = async (): Promise<void> => {
        for (let n = next++; n < count; n = next++) {
            const startedMs = performance.now();
            await client.create(Kinds.configMap, configMap(`w-${parallel}-${n}`));
            took.push(performance.now() - startedMs);
        }
    };
    await Promise.all(Array.from({ length: parallel }, worker));
    const perSecond = count / ((performance.now() - began) / 1000);
    line(`${engine}: create ConfigMaps of 1 KB, ${parallel} at a time`, `${perSecond.toFixed(0)}/s, ${spread(took)}`);
}

async function reads(engine: Engine, server: Server): Promise<void> {
    const client = server.client();
    const gets: number[] = [];
    for (let n = 0; n < 500; n += 1) {
        gets.push(await timed(() => client.get({ type: Kinds.configMap, namespace: "default", name: `w-1-${n}` })));
    }
    line(`${engine}: get`, spread(gets));
    const lists: number[] = [];
    let items = 0;
    for (let n = 0; n < 10; n += 1) {
        lists.push(
            await timed(async () => {
                items = (await client.list({ type: Kinds.configMap, namespace: "default" })).items.length;
            }),
        );
    }
    line(`${engine}: list of ${items} ConfigMaps of 1 KB`, spread(lists));
}

/** From sending a write to hearing of it, at the slowest of the watchers. */
async function watching(engine: Engine, server: Server, watchers: number): Promise<void> {
    const client = server.client();
    const type = Kinds.configMap;
    const created = await client.create(type, configMap(`watched-${watchers}`));
    const heard: ((version: string) => void)[] = [];
    const stop = new AbortController();
    const query = { type, namespace: "default", fieldSelector: `metadata.name=${created.metadata.name}` };
    const resourceVersion = created.metadata.resourceVersion ?? "";
    const follow = async (watcher: KubeClient, index: number): Promise<void> => {
        for await (const { object } of watcher.watch({ ...query, resourceVersion }, stop.signal)) {
            heard[index]?.(object.metadata.resourceVersion ?? "");
        }
    };
    const all = Array.from({ length: watchers }, (_, index) => follow(server.client(), index));
    const took: number[] = [];
    for (let n = 0; n < WATCHED_WRITES; n += 1) {
        const startedMs = performance.now();
        let last = 0;
        const everybody = Array.from({ length: watchers }, (_, index) => {
            return new Promise<void>((resolve) => {
                heard[index] = () => {
                    last = performance.now();
                    resolve();
                };
            });
        });
        await client.patch({ ...query, name: created.metadata.name }, { data: { n: String(n) } }, "merge");
        await Promise.all(everybody);
        took.push(last - startedMs);
    }
    stop.abort();
    await Promise.all(all);
    line(`${engine}: write to the last of ${watchers} watchers`, spread(took));
}

/** A DaemonSet over a fleet: from apply until every node has its pod bound. */
async function fleet(engine: Engine, server: Server): Promise<void> {
    const client = server.client();
    for (let n = 0; n < NODES; n += 1) {
        const name = `edge-${String(n).padStart(4, "0")}`;
        await client.create(Kinds.node, {
            apiVersion: "v1",
            kind: "Node",
            metadata: { name, labels: { "node-role.kubernetes.io/edge": "" } },
            status: {
                allocatable: { cpu: "4", memory: "4Gi", pods: "110" },
                conditions: [{ type: "Ready", status: "True" }],
            },
        });
    }
    const labels = { app: "fleet" };
    const template = { metadata: { labels }, spec: { containers: [{ name: "flow", image: "node-red/flow" }] } };
    const listed = await client.list({ type: Kinds.pod, namespace: "default" });
    const stop = new AbortController();
    const resourceVersion = listed.metadata.resourceVersion ?? "";
    const startedMs = performance.now();
    await client.create(Kinds.daemonSet, {
        apiVersion: "apps/v1",
        kind: "DaemonSet",
        metadata: { name: "fleet", namespace: "default" },
        spec: { selector: { matchLabels: labels }, template },
    });
    const bound = new Set<string>();
    for await (const { object } of client.watch(
        { type: Kinds.pod, namespace: "default", resourceVersion },
        stop.signal,
    )) {
        const { nodeName } = (object["spec"] ?? {}) as { nodeName?: string };
        if (nodeName !== undefined) bound.add(nodeName);
        if (bound.size === NODES) stop.abort();
    }
    const seconds = (performance.now() - startedMs) / 1000;
    line(`${engine}: a DaemonSet on ${NODES} nodes, until all pods are bound`, `${seconds.toFixed(1)} s`);
}

const configMap = (name: string): KubeObject => ({
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name, namespace: "default" },
    data: { text: TEXT },
});

async function timed(work: () => Promise<unknown>): Promise<number> {
    const startedMs = performance.now();
    await work();
    return performance.now() - startedMs;
}

function spread(valuesMs: readonly number[]): string {
    const sorted = [...valuesMs].sort((one, other) => one - other);
    const at = (share: number): string =>
        (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0).toFixed(1);
    return `p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`;
}

const megabytes = (bytes: number): string => `${(bytes / 1024 / 1024).toFixed(0)} MiB`;

function line(what: string, figures: string): void {
    process.stdout.write(`${what.padEnd(62)} ${figures}\n`);
}
