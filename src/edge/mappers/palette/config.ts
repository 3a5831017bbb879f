// SPDX-License-Identifier: Apache-2.0
import type { ConfigSchema } from "../../../core/config.ts";

/** Which device and property a palette node is about; blank fields are filled by the message (`msg.device`, `msg.property`). */
export interface DeviceNodeConfig {
    /** `<namespace>/<name>`, or a name in namespace `default`. */
    readonly device?: string;
    readonly property?: string;
}

export const deviceNodeConfig: ConfigSchema = {
    type: "object",
    properties: { device: { type: "string" }, property: { type: "string" } },
};

export interface DeviceInConfig extends DeviceNodeConfig {
    /** Calls of methods leave by an output of their own, whole; else each property that they write comes as a value. */
    readonly methods?: boolean;
}

export const deviceInConfig: ConfigSchema = {
    type: "object",
    properties: { ...deviceNodeConfig.properties, methods: { type: "boolean", default: false } },
};

/** How long device-get waits for DeviceTwin. */
export interface DeviceGetConfig extends DeviceNodeConfig {
    readonly timeoutMs: number;
}

export const deviceGetConfig: ConfigSchema = {
    type: "object",
    properties: { ...deviceNodeConfig.properties, timeoutMs: { type: "integer", minimum: 10, default: 5000 } },
};
