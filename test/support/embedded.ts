// SPDX-License-Identifier: Apache-2.0
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ApiServer } from "../../src/cloud/controlplane/apiserver/api-server.ts";
import { writeKubeconfig } from "../../src/cloud/controlplane/apiserver/kubeconfig.ts";
import { loadPki } from "../../src/cloud/controlplane/apiserver/pki.ts";
import { ControlPlane } from "../../src/cloud/controlplane/index.ts";
import { systemClock } from "../../src/core/clock.ts";
import type { Ports } from "../../src/core/component.ts";
import { silentLogger } from "../../src/core/log.ts";
import { noMetrics } from "../../src/core/metrics.ts";
import type { ClusterConnection } from "../../src/kube/client/connection.ts";
import { connectionFromKubeconfig } from "../../src/kube/client/kubeconfig.ts";
import { MemoryStore } from "../../src/store/memory-store.ts";

export interface Embedded {
    readonly server: string;
    readonly connection: ClusterConnection;
    /** Of the administrator. */
    readonly kubeconfig: string;
    stop(): Promise<void>;
}

const ports: Ports = { clock: systemClock, log: silentLogger, metrics: noMetrics, random: Math.random };

/** Our API server alone, without controllers: the twin of `startRealKube({ scheduler: false, controllers: false })`. */
export async function startEmbeddedApiServer(): Promise<Embedded> {
    const dataDir = await mkdtemp(join(tmpdir(), "redge-apiserver-"));
    const store = new MemoryStore();
    const pki = await loadPki(join(dataDir, "pki"), ["127.0.0.1"], systemClock);
    const server = new ApiServer({ host: "127.0.0.1", port: 0, pki }, { ...ports, store });
    await server.start();
    const connection = { server: server.url, caPem: pki.caPem, ...pki.admin };
    const kubeconfig = join(dataDir, "kubeconfig");
    await writeKubeconfig(kubeconfig, server.url, pki.caPem, pki.admin);
    return {
        server: server.url,
        connection,
        kubeconfig,
        stop: async () => {
            await server.stop();
            await store.close();
            await rm(dataDir, { recursive: true, force: true, maxRetries: 20 });
        },
    };
}

/** Our control plane as it runs in the cloud, over a store in memory: the twin of `startRealKube`. */
export async function startEmbedded(): Promise<Embedded> {
    const dataDir = await mkdtemp(join(tmpdir(), "redge-embedded-"));
    const store = new MemoryStore();
    const plane = new ControlPlane({ host: "127.0.0.1", port: 0, dataDir, sans: [] }, { ...ports, store });
    await plane.start();
    return {
        server: plane.url,
        connection: await connectionFromKubeconfig(plane.kubeconfigPath),
        kubeconfig: plane.kubeconfigPath,
        stop: async () => {
            await plane.stop();
            await store.close();
            await rm(dataDir, { recursive: true, force: true, maxRetries: 20 });
        },
    };
}
