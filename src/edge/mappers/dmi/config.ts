// SPDX-License-Identifier: Apache-2.0
import type { ConfigSchema } from "../../../core/config.ts";

export interface DmiConfig {
    /** The Unix socket that mappers register at. */
    readonly socketPath: string;
    readonly callTimeoutMs: number;
    /** How often an idle mapper is looked after; one that is away for that long makes its devices unknown. */
    readonly livenessMs: number;
}

export const dmiConfig: ConfigSchema = {
    type: "object",
    properties: {
        socketPath: { type: "string", default: "/etc/kubeedge/dmi.sock" },
        callTimeoutMs: { type: "integer", minimum: 10, default: 10_000 },
        livenessMs: { type: "integer", minimum: 10, default: 10_000 },
    },
};
