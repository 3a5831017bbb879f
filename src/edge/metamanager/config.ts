// SPDX-License-Identifier: Apache-2.0
import type { ConfigSchema } from "../../core/config.ts";

export interface MetaManagerConfig {
    /** How long a question to the cloud may stay unanswered before Edged is told that there is no answer. */
    readonly remoteQueryTimeoutSeconds: number;
}

export const metaManagerConfig: ConfigSchema = {
    type: "object",
    properties: {
        remoteQueryTimeoutSeconds: { type: "number", minimum: 1, maximum: 600, default: 60 },
    },
};
