// SPDX-License-Identifier: Apache-2.0
import type { ConfigSchema } from "../../core/config.ts";

export interface DeviceControllerConfig {
    /** node: a node reports for its own devices only. kubeedge: any node may report for any device. */
    readonly authorization: "node" | "kubeedge";
    /** The status of one device is written at most this often; what comes between is joined to the newest values. */
    readonly statusIntervalMs: number;
    /** How many writes of statuses are under way at a time. */
    readonly parallelWrites: number;
    /** How often a change of lastOnlineTime alone reaches the Device object. */
    readonly lastSeenIntervalMs: number;
}

export const deviceControllerConfig: ConfigSchema = {
    type: "object",
    properties: {
        authorization: { type: "string", enum: ["node", "kubeedge"], default: "node" },
        statusIntervalMs: { type: "integer", default: 250, minimum: 0 },
        parallelWrites: { type: "integer", default: 16, minimum: 1, maximum: 256 },
        lastSeenIntervalMs: { type: "integer", default: 60_000, minimum: 1000 },
    },
};
