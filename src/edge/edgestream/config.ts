// SPDX-License-Identifier: Apache-2.0
import type { ConfigSchema } from "../../core/config.ts";

export interface EdgeStreamConfig {
    /** CloudStream's tunnel port, e.g. "wss://cloud.example.com:10004". */
    readonly cloudUrl: string;
    /** Where Edged answers as a kubelet: "unix:/path/to.sock" or "http://127.0.0.1:10350". */
    readonly kubelet: string;
    /** What the node calls its own address; requests for metrics may name it. */
    readonly nodeAddress: string;
    /** Forward proxy, `http://[user:password@]host:port`; absent: none. */
    readonly proxy?: string;
}

export const edgeStreamConfig = {
    type: "object",
    properties: {
        cloudUrl: { type: "string", pattern: "^wss://" },
        kubelet: { type: "string", pattern: "^(unix:.+|http://.+)$" },
        nodeAddress: { type: "string", default: "127.0.0.1" },
        proxy: { type: "string", pattern: "^http://" },
    },
    required: ["cloudUrl", "kubelet", "nodeAddress"],
} as const satisfies ConfigSchema;
