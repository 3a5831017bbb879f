// SPDX-License-Identifier: Apache-2.0
import type { ConfigSchema } from "../../core/config.ts";

export interface RouterConfig {
    /** Where REST requests for edge nodes arrive. */
    readonly host: string;
    readonly port: number;
    /** false: plain HTTP, for a proxy in front that ends TLS. */
    readonly tls: boolean;
    /**
     * kubernetes: callers show a bearer token of the cluster, and their right to create `rules/requests` is checked.
     * none: anybody who reaches the port may call, as in KubeEdge.
     */
    readonly authorization: "kubernetes" | "none";
    /** How long a service at an edge node may take to answer. */
    readonly restTimeoutMs: number;
}

export const routerConfig: ConfigSchema = {
    type: "object",
    properties: {
        host: { type: "string", default: "127.0.0.1", minLength: 1 },
        port: { type: "integer", default: 9443, minimum: 0, maximum: 65_535 },
        tls: { type: "boolean", default: true },
        authorization: { type: "string", enum: ["kubernetes", "none"], default: "kubernetes" },
        restTimeoutMs: { type: "integer", default: 60_000, minimum: 100 },
    },
};
