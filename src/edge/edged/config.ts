// SPDX-License-Identifier: Apache-2.0
import { homedir } from "node:os";
import { join } from "node:path";
import type { ConfigSchema } from "../../core/config.ts";

export interface EdgedConfig {
    readonly nodeName: string;
    /** Node labels beside Kubernetes' own, as `key=value` pairs separated by commas. */
    readonly labels: string;
    /** Taints the node registers with, as `key=value:Effect`, separated by commas. */
    readonly taints: string;
    /** Folder of pod manifests that run without any API server; blank: none. */
    readonly staticPodPath: string;
    /** Folder for volumes and logs. */
    readonly rootDir: string;
    readonly registerNode: boolean;
    readonly nodeStatusUpdateSeconds: number;
    readonly nodeLeaseDurationSeconds: number;
    readonly maxPods: number;
    /** Where the kubelet API listens: `unix:/path` or `http://127.0.0.1:10350`; blank: `<rootDir>/kubelet.sock`. */
    readonly kubelet: string;
}

export const edgedConfig: ConfigSchema = {
    type: "object",
    required: ["nodeName"],
    properties: {
        nodeName: { type: "string", minLength: 1, maxLength: 253, pattern: "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$" },
        labels: { type: "string", default: "" },
        taints: { type: "string", default: "" },
        staticPodPath: { type: "string", default: "" },
        rootDir: { type: "string", default: join(homedir(), ".redge", "edged") },
        registerNode: { type: "boolean", default: true },
        nodeStatusUpdateSeconds: { type: "number", minimum: 1, maximum: 3600, default: 10 },
        nodeLeaseDurationSeconds: { type: "number", minimum: 4, maximum: 3600, default: 40 },
        maxPods: { type: "integer", minimum: 1, maximum: 1000, default: 110 },
        kubelet: { type: "string", default: "" },
    },
};
