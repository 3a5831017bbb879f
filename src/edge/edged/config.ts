// SPDX-License-Identifier: Apache-2.0
import { homedir } from "node:os";
import { join } from "node:path";
import type { ConfigSchema } from "../../core/config.ts";
import { DEFAULT_HARD } from "./eviction/thresholds.ts";

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
    /** Thresholds as the kubelet's --eviction-hard: `memory.available<100Mi,nodefs.available<10%`. */
    readonly evictionHard: string;
    /** The same with a grace period each: `memory.available<300Mi` and `memory.available=1m30s`; blank: none. */
    readonly evictionSoft: string;
    readonly evictionSoftGracePeriod: string;
    /** Most that a pod gets to end when it is evicted by a soft threshold. */
    readonly evictionMaxPodGracePeriodSeconds: number;
    /** How long a pressure condition stays after the pressure went. */
    readonly evictionPressureTransitionSeconds: number;
    /** Share of the images' disk in use at which unused images go, and down to which they go. */
    readonly imageGCHighThresholdPercent: number;
    readonly imageGCLowThresholdPercent: number;
    /** An image that was unused for less is kept. */
    readonly imageMinimumGCAgeSeconds: number;
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
        evictionHard: { type: "string", default: DEFAULT_HARD },
        evictionSoft: { type: "string", default: "" },
        evictionSoftGracePeriod: { type: "string", default: "" },
        evictionMaxPodGracePeriodSeconds: { type: "integer", minimum: 0, maximum: 3600, default: 30 },
        evictionPressureTransitionSeconds: { type: "number", minimum: 0, maximum: 86_400, default: 300 },
        imageGCHighThresholdPercent: { type: "number", minimum: 0, maximum: 100, default: 85 },
        imageGCLowThresholdPercent: { type: "number", minimum: 0, maximum: 100, default: 80 },
        imageMinimumGCAgeSeconds: { type: "number", minimum: 0, maximum: 2_592_000, default: 120 },
    },
};
