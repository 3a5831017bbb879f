// SPDX-License-Identifier: Apache-2.0
import type { ConfigSchema } from "../../../src/core/config.ts";

export interface StoreNodeConfig {
    readonly engine: "nedb" | "sqlite";
    /** Absent: `redge` in Node-RED's user directory. */
    readonly folder?: string;
    /** Absent: `identity/store.key` below the folder. */
    readonly keyFile?: string;
}

export const storeNodeConfig = {
    type: "object",
    properties: {
        engine: { type: "string", enum: ["nedb", "sqlite"], default: "nedb" },
        folder: { type: "string" },
        keyFile: { type: "string" },
    },
} as const satisfies ConfigSchema;
