// SPDX-License-Identifier: Apache-2.0
import type { ConfigSchema } from "../../core/config.ts";

export interface DeviceTwinConfig {
    /** The edge node's name, as in `$hw/events/node/<node>/membership/get`. */
    readonly nodeName: string;
    /** What reaches the cloud after an outage: the newest value of each property, or every value in order. */
    readonly offlinePolicy: "newest" | "all";
    /** Reports of all devices kept for the cloud under the policy "all"; 0: as many as half of this process' memory holds. */
    readonly keptReports: number;
    /** Values kept on disk for each property, for flows to ask for; 0 keeps none. */
    readonly historyLength: number;
    /** A value that stays the same is told to the cloud again after this long, as a sign of life. */
    readonly refreshMs: number;
    /** An unconfirmed report is made anew after this long; EdgeHub's outbox resends by itself before that. */
    readonly confirmTimeoutMs: number;
    /** Also listen to and publish on `$hw/events/device/<name>/…`, meaning namespace `default` (KubeEdge before v1.17). */
    readonly oneSegmentIds: boolean;
}

export const deviceTwinConfig: ConfigSchema = {
    type: "object",
    properties: {
        nodeName: { type: "string", default: "edge" },
        offlinePolicy: { type: "string", enum: ["newest", "all"], default: "newest" },
        keptReports: { type: "integer", minimum: 0, maximum: 100_000_000, default: 0 },
        historyLength: { type: "integer", minimum: 0, maximum: 1_000_000, default: 0 },
        refreshMs: { type: "integer", minimum: 0, default: 30_000 },
        confirmTimeoutMs: { type: "integer", minimum: 100, default: 60_000 },
        oneSegmentIds: { type: "boolean", default: false },
    },
};
