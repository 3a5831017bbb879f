// SPDX-License-Identifier: Apache-2.0
import type { KubeObject, ObjectMeta } from "../../../kube/types.ts";

/** The parts of core/v1 Pod that the scheduler and the controllers read; the API server has validated them. */
export interface Pod extends KubeObject {
    spec: PodSpec;
    status?: PodStatus;
}

export interface PodSpec {
    nodeName?: string;
    nodeSelector?: Record<string, string>;
    affinity?: Affinity;
    tolerations?: Toleration[];
    containers: Container[];
    initContainers?: Container[];
    overhead?: Resources;
    schedulerName?: string;
    runtimeClassName?: string;
    restartPolicy?: string;
    priority?: number;
    hostNetwork?: boolean;
    topologySpreadConstraints?: TopologySpreadConstraint[];
    [field: string]: unknown;
}

export interface Container {
    name: string;
    resources?: { requests?: Resources; limits?: Resources };
    ports?: ContainerPort[];
    restartPolicy?: string;
    [field: string]: unknown;
}

export interface ContainerPort {
    name?: string;
    containerPort: number;
    hostPort?: number;
    hostIP?: string;
    protocol?: string;
}

/** Quantities by resource name, as text ("500m", "1Gi") or, rarely, as a number. */
export type Resources = Record<string, string | number>;

export interface Toleration {
    key?: string;
    operator?: string;
    value?: string;
    effect?: string;
    tolerationSeconds?: number;
}

export interface SelectorRequirement {
    key: string;
    operator: string;
    values?: string[];
}

export interface NodeSelectorTerm {
    matchExpressions?: SelectorRequirement[];
    matchFields?: SelectorRequirement[];
}

export interface PodAffinityTerm {
    labelSelector?: unknown;
    namespaces?: string[];
    namespaceSelector?: unknown;
    topologyKey: string;
}

export interface PodAffinityRules {
    requiredDuringSchedulingIgnoredDuringExecution?: PodAffinityTerm[];
    preferredDuringSchedulingIgnoredDuringExecution?: { weight: number; podAffinityTerm: PodAffinityTerm }[];
}

export interface Affinity {
    nodeAffinity?: {
        requiredDuringSchedulingIgnoredDuringExecution?: { nodeSelectorTerms: NodeSelectorTerm[] };
        preferredDuringSchedulingIgnoredDuringExecution?: { weight: number; preference: NodeSelectorTerm }[];
    };
    podAffinity?: PodAffinityRules;
    podAntiAffinity?: PodAffinityRules;
}

export interface TopologySpreadConstraint {
    maxSkew: number;
    topologyKey: string;
    whenUnsatisfiable: string;
    labelSelector?: unknown;
}

export interface PodStatus {
    phase?: string;
    conditions?: Condition[];
    reason?: string;
    message?: string;
    podIP?: string;
    startTime?: string;
    containerStatuses?: ContainerStatus[];
    [field: string]: unknown;
}

export interface ContainerStatus {
    name: string;
    restartCount?: number;
    ready?: boolean;
    [field: string]: unknown;
}

/** Any condition of any kind. */
export interface Condition {
    type: string;
    status: string;
    reason?: string;
    message?: string;
    lastTransitionTime?: string | null;
    lastUpdateTime?: string;
    lastHeartbeatTime?: string;
    lastProbeTime?: string | null;
    [field: string]: unknown;
}

export interface PodTemplate {
    metadata?: Partial<ObjectMeta>;
    spec: PodSpec;
}
