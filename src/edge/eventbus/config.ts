// SPDX-License-Identifier: Apache-2.0
import type { ConfigSchema } from "../../core/config.ts";

/** A user of the embedded broker; topic filters as in MQTT, absent lists allow everything. */
export interface EventBusUser {
    readonly username: string;
    readonly password: string;
    readonly publish?: readonly string[];
    readonly subscribe?: readonly string[];
}

export interface EventBusConfig {
    readonly nodeName: string;
    /** internal: a broker of our own; external: a client of another one, such as Mosquitto. */
    readonly mode: "internal" | "external";
    readonly host: string;
    /** Of the embedded broker; 0 takes a free one. */
    readonly port: number;
    /** Of the external broker: mqtt://, mqtts://, ws:// or wss://. */
    readonly url: string;
    readonly clientId?: string;
    readonly username?: string;
    readonly password?: string;
    /** MQTT 3.1.1 or 5, towards the external broker. */
    readonly protocolVersion: 4 | 5;
    /** Of what is published here, unless a message says otherwise. */
    readonly qos: 0 | 1 | 2;
    readonly retain: boolean;
    readonly tls: boolean;
    readonly certFile?: string;
    readonly keyFile?: string;
    readonly caFile?: string;
    /** The embedded broker accepts only clients with a certificate of `caFile`. */
    readonly clientCertificates: boolean;
    /** JSON list of EventBusUser; empty: everybody on this machine may connect. */
    readonly users?: string;
    /** Messages kept for an external broker that is away. */
    readonly queueLimit: number;
    /** The embedded broker ends the connection of a client that sends a longer packet, bytes. */
    readonly maxPacketBytes: number;
}

const text = { type: "string" } as const;

export const eventBusConfig: ConfigSchema = {
    type: "object",
    properties: {
        nodeName: { type: "string", default: "edge" },
        mode: { type: "string", enum: ["internal", "external"], default: "internal" },
        host: { type: "string", default: "127.0.0.1" },
        port: { type: "integer", minimum: 0, maximum: 65_535, default: 1883 },
        url: { type: "string", default: "mqtt://127.0.0.1:1883" },
        clientId: text,
        username: text,
        password: text,
        protocolVersion: { type: "integer", enum: [4, 5], default: 4 },
        qos: { type: "integer", enum: [0, 1, 2], default: 1 },
        retain: { type: "boolean", default: false },
        tls: { type: "boolean", default: false },
        certFile: text,
        keyFile: text,
        caFile: text,
        clientCertificates: { type: "boolean", default: false },
        users: text,
        queueLimit: { type: "integer", minimum: 0, default: 1000 },
        maxPacketBytes: { type: "integer", minimum: 1024, maximum: 268_435_455, default: 8_388_608 },
    },
};
