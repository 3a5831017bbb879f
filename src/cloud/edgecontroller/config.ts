// SPDX-License-Identifier: Apache-2.0
import type { ConfigSchema } from "../../core/config.ts";

export interface EdgeControllerConfig {
    /**
     * node: a node may read and change only what belongs to it and to its pods.
     * kubeedge: as KubeEdge with its authorization off, any node may ask for any object.
     */
    readonly authorization: "node" | "kubeedge";
    /**
     * "host:port" of CloudStream as the API server reaches it. When set, Node objects present it as the kubelet's
     * address, so that `kubectl logs` and `exec` arrive there without any packet rewriting.
     */
    readonly streamAddress?: string;
    /** What the annotation `cloudcore` of connected nodes says: the address of this cloud side. */
    readonly cloudAddress: string;
    /** How long a ConfigMap or Secret that no pod uses any more stays at the node. */
    readonly unusedGraceMs: number;
}

export const edgeControllerConfig: ConfigSchema = {
    type: "object",
    properties: {
        authorization: { type: "string", enum: ["node", "kubeedge"], default: "node" },
        streamAddress: { type: "string", pattern: "^(\\[[0-9a-fA-F:.]+\\]|[^:\\s]+):[0-9]{1,5}$" },
        cloudAddress: { type: "string", default: "127.0.0.1", minLength: 1 },
        unusedGraceMs: { type: "integer", default: 30_000, minimum: 0 },
    },
};
