// SPDX-License-Identifier: Apache-2.0
import type { ConfigSchema } from "../../core/config.ts";

export interface CloudHubConfig {
    /** Address to listen on. */
    readonly host: string;
    /** 0 takes a free one. */
    readonly websocketPort: number;
    readonly httpsPort: number;
    /** Certificates and messages on `websocketPort` alone; no `httpsPort`. */
    readonly singlePort: boolean;
    /** Also messages over QUIC, for Redge edges; needs the optional package @matrixai/quic. */
    readonly quic: "off" | "on";
    /** UDP. */
    readonly quicPort: number;
    readonly nodeLimit: number;
    /** A node that sends no keepalive for so long is taken off. */
    readonly keepaliveIntervalMs: number;
    readonly resendIntervalMs: number;
    /** Waiting messages of one node. */
    readonly queueLimit: number;
    /** Up-going messages of one node in a second, before it is slowed. */
    readonly messagesPerSecond: number;
    readonly maxMessageBytes: number;
    /** node: a certificate acts for its own node only. kubeedge: any certificate of the CA for any node, as KubeEdge. */
    readonly authorization: "node" | "kubeedge";
}

export const cloudHubConfig = {
    type: "object",
    properties: {
        host: { type: "string", default: "127.0.0.1" },
        websocketPort: { type: "integer", minimum: 0, maximum: 65535, default: 10000 },
        httpsPort: { type: "integer", minimum: 0, maximum: 65535, default: 10002 },
        singlePort: { type: "boolean", default: false },
        quic: { type: "string", enum: ["off", "on"], default: "off" },
        quicPort: { type: "integer", minimum: 0, maximum: 65535, default: 10001 },
        nodeLimit: { type: "integer", minimum: 1, default: 10000 },
        keepaliveIntervalMs: { type: "integer", minimum: 1000, default: 30000 },
        resendIntervalMs: { type: "integer", minimum: 100, default: 5000 },
        queueLimit: { type: "integer", minimum: 1, default: 20000 },
        messagesPerSecond: { type: "integer", minimum: 1, default: 5000 },
        maxMessageBytes: { type: "integer", minimum: 1024, default: 33554432 },
        authorization: { type: "string", enum: ["node", "kubeedge"], default: "node" },
    },
} as const satisfies ConfigSchema;
