// SPDX-License-Identifier: Apache-2.0
import type { ConfigSchema } from "../../core/config.ts";

export interface CloudStreamConfig {
    /** Address the edges dial. */
    readonly tunnelHost: string;
    /** 0 takes a free one. */
    readonly tunnelPort: number;
    /** Address the API server dials as if it were a kubelet. */
    readonly streamHost: string;
    readonly streamPort: number;
    /** PEM of the CA that signs the API server's kubelet client certificate; absent: asked of the cluster. */
    readonly clientCaPem?: string;
    /** on: metrics.k8s.io is answered here, unless somebody else does already. */
    readonly metricsApi: "off" | "on";
    /** `host:port` at which the API server reaches the stream port; absent: `streamHost` and that port. */
    readonly streamAddress?: string;
    /** node: a tunnel is for the node its certificate names. kubeedge: for the node its header names, as KubeEdge. */
    readonly authorization: "node" | "kubeedge";
}

export const cloudStreamConfig = {
    type: "object",
    properties: {
        tunnelHost: { type: "string", default: "127.0.0.1" },
        tunnelPort: { type: "integer", minimum: 0, maximum: 65535, default: 10004 },
        streamHost: { type: "string", default: "127.0.0.1" },
        streamPort: { type: "integer", minimum: 0, maximum: 65535, default: 10003 },
        clientCaPem: { type: "string" },
        metricsApi: { type: "string", enum: ["off", "on"], default: "off" },
        streamAddress: { type: "string", pattern: "^(\\[[0-9a-fA-F:.]+\\]|[^:\\s]+):[0-9]{1,5}$" },
        authorization: { type: "string", enum: ["node", "kubeedge"], default: "node" },
    },
} as const satisfies ConfigSchema;
