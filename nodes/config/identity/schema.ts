// SPDX-License-Identifier: Apache-2.0
import type { ConfigSchema } from "../../../src/core/config.ts";

export interface IdentityNodeConfig {
    readonly role: "cloud" | "edge";
    /** Absent: `redge` in Node-RED's user directory. */
    readonly folder?: string;
    /** Absent: the host name. */
    readonly nodeName?: string;
    readonly storage: "secret" | "folder";
}

export const identityNodeConfig = {
    type: "object",
    properties: {
        role: { type: "string", enum: ["cloud", "edge"], default: "cloud" },
        folder: { type: "string" },
        nodeName: { type: "string" },
        storage: { type: "string", enum: ["secret", "folder"], default: "secret" },
    },
} as const satisfies ConfigSchema;
