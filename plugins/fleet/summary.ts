// SPDX-License-Identifier: Apache-2.0

/** What the fleet sidebar shows. Names and states only: everything here may be seen by whoever may read the editor. */
export interface FleetSummary {
    /** Redge's own nodes in this Node-RED, with their status as shown in the flow. */
    readonly components: readonly ComponentLine[];
    /** Absent when no cluster is open in this Node-RED, as on an edge gateway. */
    readonly cluster?: ClusterSummary;
    /** Why the cluster could not be asked. */
    readonly trouble?: string;
}

export type Health = "good" | "waiting" | "bad" | "off";

export interface ComponentLine {
    readonly id: string;
    readonly type: string;
    readonly name: string;
    readonly health: Health;
    readonly text: string;
}

export interface ClusterSummary {
    readonly nodes: readonly Line[];
    readonly pods: readonly Line[];
    readonly devices: readonly Line[];
}

export interface Line {
    /** With its namespace, unless that is `default`. */
    readonly name: string;
    readonly health: Health;
    readonly text: string;
    /** For the tooltip. */
    readonly detail?: string;
}
