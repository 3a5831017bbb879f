// SPDX-License-Identifier: Apache-2.0
import type { ConfigSchema } from "../../core/config.ts";
import { DEFAULT_PROJECT } from "../../link/session.ts";

export interface EdgeHubConfig {
    /** `wss://host:port`, several separated by commas: tried in turn. */
    readonly url: string;
    /** quic: tried first, with WebSocket while it does not get through. */
    readonly transport: "websocket" | "quic";
    /** UDP port of the cloud, at the hosts that `url` names. */
    readonly quicPort: number;
    /** How long QUIC may take to connect before WebSocket is used. */
    readonly quicTimeoutMs: number;
    /** Longest time on WebSocket before QUIC is tried again. */
    readonly quicRetryMs: number;
    readonly projectId: string;
    readonly heartbeatMs: number;
    readonly handshakeTimeoutMs: number;
    readonly reconnectFirstMs: number;
    readonly reconnectMaxMs: number;
    /** How long an asker waits for the cloud before it is told that there is no answer. */
    readonly requestTimeoutMs: number;
    readonly requestLimit: number;
    readonly outboxMaxBytes: number;
    readonly outboxMaxMessages: number;
    readonly outboxMaxAgeHours: number;
    readonly maxMessageBytes: number;
    /** `http://[user:password@]host:port`; empty: none. */
    readonly proxy: string;
}

export const edgeHubConfig = {
    type: "object",
    properties: {
        url: { type: "string", pattern: "^wss://[^\\s]+$", default: "wss://127.0.0.1:10000" },
        transport: { type: "string", enum: ["websocket", "quic"], default: "websocket" },
        quicPort: { type: "integer", minimum: 1, maximum: 65535, default: 10001 },
        quicTimeoutMs: { type: "integer", minimum: 100, default: 5000 },
        quicRetryMs: { type: "integer", minimum: 100, default: 600000 },
        projectId: { type: "string", pattern: "^[\\w.-]+$", default: DEFAULT_PROJECT },
        heartbeatMs: { type: "integer", minimum: 1000, maximum: 29000, default: 15000 },
        handshakeTimeoutMs: { type: "integer", minimum: 1000, default: 30000 },
        reconnectFirstMs: { type: "integer", minimum: 10, default: 250 },
        reconnectMaxMs: { type: "integer", minimum: 100, default: 30000 },
        requestTimeoutMs: { type: "integer", minimum: 100, default: 30000 },
        requestLimit: { type: "integer", minimum: 1, default: 1000 },
        outboxMaxBytes: { type: "integer", minimum: 4096, default: 67108864 },
        outboxMaxMessages: { type: "integer", minimum: 1, default: 100000 },
        outboxMaxAgeHours: { type: "number", exclusiveMinimum: 0, default: 168 },
        maxMessageBytes: { type: "integer", minimum: 1024, default: 33554432 },
        proxy: { type: "string", default: "" },
    },
} as const satisfies ConfigSchema;
