// SPDX-License-Identifier: Apache-2.0

/** A node of a flow file, as Node-RED exports it. */
export interface FlowNode {
    readonly id: string;
    readonly type: string;
    readonly [property: string]: unknown;
}

/** One running container of a flow pod. */
export interface FlowUnit {
    /** Changes with every start. */
    readonly id: string;
    readonly namespace: string;
    readonly pod: string;
    readonly container: string;
    /** All flow files of the container, as they were written. */
    readonly files: readonly { readonly name: string; readonly nodes: readonly FlowNode[] }[];
    readonly env: readonly (readonly [name: string, value: string])[];
    /** Bytes; only a host with a process per unit keeps to it. */
    readonly memoryLimitBytes?: number;
    /** Palette modules, `name@version`, that the flow needs. */
    readonly modules: readonly string[];
}

export type FlowStatus = Readonly<Record<string, unknown>>;

/** What a host tells of its units without being asked. */
export interface FlowHostListener {
    /** A line for `kubectl logs`. */
    log(unitId: string, stream: "stdout" | "stderr", text: string): void;
    /** The unit does not run any more, though nobody removed it. */
    ended(unitId: string, exitCode: number, reason: string, message: string): void;
    /** A node of the unit has set its status. */
    status(unitId: string, nodeId: string, status: FlowStatus): void;
    /** Readiness of the host itself changed. */
    changed(): void;
}

/** Something that runs flows: the gateway's own Node-RED, or Node-RED processes of the pods' own. */
export interface FlowHost {
    readonly handler: "node-red" | "node-red-isolated";
    /** `expected`: units that ran before; what is left of them is kept until they are deployed or removed. */
    start(listener: FlowHostListener, expected: readonly string[]): Promise<void>;
    stop(): Promise<void>;
    /** Undefined when it can run flows, else why not. */
    problem(): string | undefined;
    /** As in nodeInfo, e.g. "5.0.7". */
    version(): string;
    /**
     * Runs the unit, in place of an older one of the same pod and container if there is one.
     * @throws REDGE_FLOW_* when the flow cannot run: the unit counts as ended
     */
    deploy(unit: FlowUnit): Promise<void>;
    /** Idempotent. */
    remove(unitId: string): Promise<void>;
    /**
     * CPU time since its start and memory now; zeros where the host runs several units in one process and cannot tell
     * them apart, undefined when the unit does not run.
     */
    usage(unitId: string): Promise<{ readonly cpuNanoseconds: number; readonly memoryBytes: number } | undefined>;
}
