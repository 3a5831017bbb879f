// SPDX-License-Identifier: Apache-2.0
import type { ConfigSchema } from "../../core/config.ts";

export interface MetaServerConfig {
    /** Loopback only. */
    readonly host: string;
    /** 0 takes a free one. */
    readonly port: number;
    /** Folder of the certificate, the operator's token and kubeconfig. */
    readonly folder: string;
    /** Edged's kubelet endpoint, for logs: "unix:/path" or "http://127.0.0.1:port". Absent: logs are refused. */
    readonly kubelet?: string;
}

export const metaServerConfig = {
    type: "object",
    properties: {
        host: { type: "string", enum: ["127.0.0.1", "::1", "localhost"], default: "127.0.0.1" },
        port: { type: "integer", minimum: 0, maximum: 65_535, default: 10550 },
        folder: { type: "string", minLength: 1 },
        kubelet: { type: "string", minLength: 1 },
    },
    required: ["folder"],
} as const satisfies ConfigSchema;
