// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { ControlPlane } from "../../src/cloud/controlplane/index.ts";
import { systemClock } from "../../src/core/clock.ts";
import { silentLogger } from "../../src/core/log.ts";
import { noMetrics } from "../../src/core/metrics.ts";
import type { KubeClient } from "../../src/kube/client/client.ts";
import { createKubeClient } from "../../src/kube/client/https-client.ts";
import { connectionFromKubeconfig } from "../../src/kube/client/kubeconfig.ts";
import { openStore, type StoreConfig } from "../../src/store/open-store.ts";

export type Engine = StoreConfig["engine"];

const ports = { clock: systemClock, log: silentLogger, metrics: noMetrics, random: Math.random };

/** The child's part: a control plane over a store on disk; answers "memory" lines with its resident bytes. */
export async function serve(engine: Engine, folder: string): Promise<void> {
    const store = await openStore({ engine, path: join(folder, "store.db") }, ports);
    const plane = new ControlPlane({ host: "127.0.0.1", port: 0, dataDir: folder, sans: [] }, { ...ports, store });
    await plane.start();
    process.stdout.write(`${plane.kubeconfigPath}\n`);
    for await (const line of createInterface({ input: process.stdin })) {
        if (line === "memory") process.stdout.write(`${process.memoryUsage().rss}\n`);
    }
    await plane.stop();
    await store.close();
}

export interface Server {
    client(): KubeClient;
    /** Resident bytes of the server process. */
    memory(): Promise<number>;
    stop(): Promise<void>;
}

/** Starts the control plane as a process of its own, so that client and server do not share an event loop. */
export async function startServer(engine: Engine): Promise<Server> {
    const folder = await mkdtemp(join(tmpdir(), "redge-bench-"));
    const script = process.argv[1] ?? "";
    const child = spawn(process.execPath, [script, "--serve", engine, folder], { stdio: ["pipe", "pipe", "inherit"] });
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const next = async (): Promise<string> => {
        const { value, done } = await lines.next();
        if (done) throw new Error("the server ended");
        return value;
    };
    const connection = await connectionFromKubeconfig(await next());
    const clients: KubeClient[] = [];
    return {
        client: () => {
            const client = createKubeClient(connection, ports);
            clients.push(client);
            return client;
        },
        memory: async () => {
            child.stdin.write("memory\n");
            return Number(await next());
        },
        stop: async () => {
            await Promise.all(clients.map((client) => client.close()));
            child.stdin.end();
            await ended(child);
            await rm(folder, { recursive: true, force: true });
        },
    };
}

function ended(child: ChildProcess): Promise<void> {
    if (child.exitCode !== null) return Promise.resolve();
    return new Promise((resolve) => child.once("exit", () => resolve()));
}
