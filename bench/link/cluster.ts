// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, rmSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "yaml";
import { ControlPlane } from "../../src/cloud/controlplane/index.ts";
import type { KubeClient } from "../../src/kube/client/client.ts";
import { isAlreadyExists } from "../../src/kube/client/status-error.ts";
import { Kinds, type KubeObject } from "../../src/kube/types.ts";
import { openStore } from "../../src/store/open-store.ts";
import { testPorts } from "../../test/support/link/ends.ts";
import { MemoryCluster } from "../../test/support/link/memory-cluster.ts";

export type ApiKind = "memory" | "embedded";

export interface OpenedCluster {
    readonly cluster: KubeClient;
    readonly what: string;
    readonly kubeconfig?: string;
}

/** The API server that the bench runs against, and what it is, for the printed figures. */
export async function openCluster(kind: ApiKind): Promise<OpenedCluster> {
    if (kind === "memory") return { cluster: new MemoryCluster(), what: "an API in memory: no HTTP, no disk" };
    const folder = mkdtempSync(join(tmpdir(), "redge-bench-api-"));
    process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
    const store = await openStore({ engine: "sqlite", path: join(folder, "store.db") }, testPorts);
    const config = { host: "127.0.0.1", port: 0, dataDir: folder, sans: [] };
    const plane = new ControlPlane(config, { ...testPorts, store });
    await plane.start();
    const { client: cluster } = plane;
    if (cluster === undefined) throw new Error("the control plane did not start");
    await installKinds(cluster);
    const { kubeconfigPath: kubeconfig } = plane;
    return { cluster, kubeconfig, what: "the embedded API server in the same process, as in redge cloud, on sqlite" };
}

async function installKinds(cluster: KubeClient): Promise<void> {
    const folder = join(process.cwd(), "deploy/crds");
    for (const file of (await readdir(folder)).filter((name) => name.endsWith(".yaml"))) {
        const object = parse(await readFile(join(folder, file), "utf8")) as KubeObject;
        try {
            if (object.kind === "CustomResourceDefinition")
                await cluster.create(Kinds.customResourceDefinition, object);
        } catch (thrown) {
            if (!isAlreadyExists(thrown)) throw thrown;
        }
    }
}
