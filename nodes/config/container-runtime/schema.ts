// SPDX-License-Identifier: Apache-2.0
import type { ConfigSchema } from "../../../src/core/config.ts";

export interface ContainerRuntimeNodeConfig {
    readonly engine: "auto" | "docker" | "cri" | "none";
    /** Absent: where the engine usually listens. */
    readonly socket?: string;
    /** For container logs. Absent: `redge` in Node-RED's user directory. */
    readonly folder?: string;
}

export const containerRuntimeNodeConfig = {
    type: "object",
    properties: {
        engine: { type: "string", enum: ["auto", "docker", "cri", "none"], default: "auto" },
        socket: { type: "string" },
        folder: { type: "string" },
    },
} as const satisfies ConfigSchema;
