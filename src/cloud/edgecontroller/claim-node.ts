// SPDX-License-Identifier: Apache-2.0
import type { KubeClient } from "../../kube/client/client.ts";
import { isNotFound } from "../../kube/client/status-error.ts";
import { Kinds, type KubeObject } from "../../kube/types.ts";
import { CLOUDCORE_ANNOTATION } from "./edge-node.ts";
import type { NodeAddress } from "./node-address.ts";

/** Writes down at a connected Node which cloud side holds its session, and where its logs are fetched, when that is new. */
export async function claimNode(
    cluster: KubeClient,
    node: KubeObject | undefined,
    cloudAddress: string,
    address: NodeAddress,
): Promise<void> {
    if (node === undefined) return;
    const ref = { type: Kinds.node, name: node.metadata.name };
    try {
        const present = node.metadata.annotations ?? {};
        const annotations = { [CLOUDCORE_ANNOTATION]: cloudAddress, ...address.annotations(ref.name) };
        if (Object.entries(annotations).some(([key, value]) => present[key] !== value))
            await cluster.patch(ref, { metadata: { annotations } }, "merge");
        const status = address.renewal(node);
        if (status !== undefined) await cluster.patch(ref, status, "merge", { subresource: "status" });
    } catch (thrown) {
        if (!isNotFound(thrown)) throw thrown;
    }
}
