// SPDX-License-Identifier: Apache-2.0
import type { ConfigSchema } from "../../core/config.ts";

export interface ServiceBusConfig {
    /** Where programs of this gateway reach the cloud. */
    readonly host: string;
    readonly port: number;
    /** How long the cloud may take to answer one of them. */
    readonly timeoutMs: number;
    /** How long a service of this gateway may take to answer the cloud. */
    readonly serviceTimeoutMs: number;
}

export const serviceBusConfig: ConfigSchema = {
    type: "object",
    properties: {
        host: { type: "string", default: "127.0.0.1", minLength: 1 },
        port: { type: "integer", default: 9060, minimum: 0, maximum: 65_535 },
        timeoutMs: { type: "integer", default: 60_000, minimum: 100 },
        serviceTimeoutMs: { type: "integer", default: 10_000, minimum: 100 },
    },
};
