// SPDX-License-Identifier: Apache-2.0
import type { KubeClient } from "../../src/kube/client/client.ts";
import { MemoryCluster } from "../../test/support/link/memory-cluster.ts";

/** The API server that the bench runs against, and what it is, for the printed figures. */
export async function openCluster(): Promise<{ readonly cluster: KubeClient; readonly what: string }> {
    return { cluster: new MemoryCluster(), what: "an API in memory (objects, watches; no disk, no HTTP)" };
}
