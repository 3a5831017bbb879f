// SPDX-License-Identifier: Apache-2.0
import type { EventRecorder } from "../pods/events.ts";
import type { Condition } from "../podspec/types.ts";

/** The kubelet's name for what a condition has become. */
const REASONS: Readonly<Record<string, { readonly True: string; readonly False: string }>> = {
    MemoryPressure: { True: "NodeHasInsufficientMemory", False: "NodeHasSufficientMemory" },
    DiskPressure: { True: "NodeHasDiskPressure", False: "NodeHasNoDiskPressure" },
    PIDPressure: { True: "NodeHasInsufficientPID", False: "NodeHasSufficientPID" },
    Ready: { True: "NodeReady", False: "NodeNotReady" },
};

/** Events of the Node: that it was started, and each change of a condition; what an earlier run has told is not told again. */
export class NodeEvents {
    readonly #events: EventRecorder;
    readonly #nodeName: string;
    #told: ReadonlyMap<string, string> | undefined;

    constructor(events: EventRecorder, nodeName: string) {
        this.#events = events;
        this.#nodeName = nodeName;
    }

    /** The cloud has taken these conditions. `before`: the ones it had until then, from an earlier run. */
    taken(conditions: readonly Condition[], before: readonly Condition[]): void {
        if (this.#told === undefined) this.#record("Starting", "Starting kubelet.");
        const told = this.#told ?? new Map(before.map(({ type, status }) => [type, status]));
        for (const { type, status } of conditions) {
            const reason = status === "Unknown" ? undefined : REASONS[type]?.[status];
            if (reason === undefined || told.get(type) === status) continue;
            this.#record(reason, `Node ${this.#nodeName} status is now: ${reason}`);
        }
        this.#told = new Map(conditions.map(({ type, status }) => [type, status]));
    }

    /** Nodes' events name the node where its uid would be: there `kubectl describe node` looks for them. */
    #record(reason: string, message: string): void {
        const name = this.#nodeName;
        this.#events.record({ kind: "Node", name, uid: name }, "Normal", reason, message);
    }
}
