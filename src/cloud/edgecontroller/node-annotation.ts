// SPDX-License-Identifier: Apache-2.0
import type { KubeClient } from "../../kube/client/client.ts";
import { isNotFound } from "../../kube/client/status-error.ts";
import { Kinds, type KubeObject } from "../../kube/types.ts";
import { CLOUDCORE_ANNOTATION } from "./edge-node.ts";

/** Writes down which cloud side holds the node's session, when it is another one than before. */
export async function annotateNode(cluster: KubeClient, node: KubeObject | undefined, address: string): Promise<void> {
    if (node === undefined || node.metadata.annotations?.[CLOUDCORE_ANNOTATION] === address) return;
    const patch = { metadata: { annotations: { [CLOUDCORE_ANNOTATION]: address } } };
    try {
        await cluster.patch({ type: Kinds.node, name: node.metadata.name }, patch, "merge");
    } catch (thrown) {
        if (!isNotFound(thrown)) throw thrown;
    }
}
