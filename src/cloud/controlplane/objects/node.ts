// SPDX-License-Identifier: Apache-2.0
import type { KubeObject } from "../../../kube/types.ts";
import type { Condition, Resources } from "./pod.ts";

/** The parts of core/v1 Node that the scheduler and the controllers read or write. */
export interface Node extends KubeObject {
    spec?: NodeSpec;
    status?: NodeStatus;
}

export interface NodeSpec {
    unschedulable?: boolean;
    taints?: Taint[];
    [field: string]: unknown;
}

export interface NodeStatus {
    allocatable?: Resources;
    capacity?: Resources;
    conditions?: Condition[];
    [field: string]: unknown;
}

export interface Taint {
    key: string;
    value?: string;
    effect: string;
    timeAdded?: string;
}

/** coordination.k8s.io/v1 Lease. */
export interface Lease extends KubeObject {
    spec?: { renewTime?: string; holderIdentity?: string; leaseDurationSeconds?: number; [field: string]: unknown };
}

/** node.k8s.io/v1 RuntimeClass. */
export interface RuntimeClass extends KubeObject {
    handler: string;
    scheduling?: {
        nodeSelector?: Record<string, string>;
        tolerations?: import("./pod.ts").Toleration[];
    };
    overhead?: { podFixed?: Resources };
}
