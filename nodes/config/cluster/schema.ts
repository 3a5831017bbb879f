// SPDX-License-Identifier: Apache-2.0
import type { ConfigSchema } from "../../../src/core/config.ts";

export interface ClusterNodeConfig {
    readonly mode: "embedded" | "kubeconfig" | "in-cluster";
    /** Absent: KUBECONFIG, then ~/.kube/config. */
    readonly kubeconfig?: string;
    readonly context?: string;
    /** Of the embedded control plane. Absent: `redge` in Node-RED's user directory. */
    readonly dataDir?: string;
}

export const clusterNodeConfig = {
    type: "object",
    properties: {
        mode: { type: "string", enum: ["embedded", "kubeconfig", "in-cluster"], default: "embedded" },
        kubeconfig: { type: "string" },
        context: { type: "string" },
        dataDir: { type: "string" },
    },
} as const satisfies ConfigSchema;
