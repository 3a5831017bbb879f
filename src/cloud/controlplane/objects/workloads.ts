// SPDX-License-Identifier: Apache-2.0
import type { KubeObject } from "../../../kube/types.ts";
import type { Condition, PodTemplate } from "./pod.ts";

/** A number, or a percentage of the wished number of pods as text. */
export type IntOrPercent = number | string;

export interface Deployment extends KubeObject {
    spec: {
        replicas?: number;
        selector: unknown;
        template: PodTemplate;
        strategy?: {
            type?: string;
            rollingUpdate?: { maxSurge?: IntOrPercent; maxUnavailable?: IntOrPercent } | null;
        };
        minReadySeconds?: number;
        revisionHistoryLimit?: number;
        progressDeadlineSeconds?: number;
        paused?: boolean;
        [field: string]: unknown;
    };
    status?: DeploymentStatus;
}

export interface DeploymentStatus {
    observedGeneration?: number;
    replicas?: number;
    updatedReplicas?: number;
    readyReplicas?: number;
    availableReplicas?: number;
    unavailableReplicas?: number;
    collisionCount?: number;
    conditions?: Condition[];
    [field: string]: unknown;
}

export interface ReplicaSet extends KubeObject {
    spec: {
        replicas?: number;
        selector: unknown;
        template: PodTemplate;
        minReadySeconds?: number;
        [field: string]: unknown;
    };
    status?: {
        replicas?: number;
        fullyLabeledReplicas?: number;
        readyReplicas?: number;
        availableReplicas?: number;
        observedGeneration?: number;
        conditions?: Condition[];
        [field: string]: unknown;
    };
}

export interface DaemonSet extends KubeObject {
    spec: {
        selector: unknown;
        template: PodTemplate;
        updateStrategy?: {
            type?: string;
            rollingUpdate?: { maxSurge?: IntOrPercent; maxUnavailable?: IntOrPercent } | null;
        };
        minReadySeconds?: number;
        revisionHistoryLimit?: number;
        [field: string]: unknown;
    };
    status?: DaemonSetStatus;
}

export interface DaemonSetStatus {
    currentNumberScheduled?: number;
    desiredNumberScheduled?: number;
    numberMisscheduled?: number;
    numberReady?: number;
    numberAvailable?: number;
    numberUnavailable?: number;
    updatedNumberScheduled?: number;
    observedGeneration?: number;
    collisionCount?: number;
    [field: string]: unknown;
}

export interface StatefulSet extends KubeObject {
    spec: {
        replicas?: number;
        selector: unknown;
        serviceName?: string;
        template: PodTemplate;
        podManagementPolicy?: string;
        updateStrategy?: { type?: string; rollingUpdate?: { partition?: number } | null };
        volumeClaimTemplates?: KubeObject[];
        ordinals?: { start?: number };
        minReadySeconds?: number;
        revisionHistoryLimit?: number;
        [field: string]: unknown;
    };
    status?: {
        currentRevision?: string;
        updateRevision?: string;
        collisionCount?: number;
        [field: string]: unknown;
    };
}

export interface ControllerRevision extends KubeObject {
    data?: unknown;
    revision: number;
}

export interface Job extends KubeObject {
    spec: {
        parallelism?: number;
        completions?: number;
        backoffLimit?: number;
        activeDeadlineSeconds?: number;
        ttlSecondsAfterFinished?: number;
        selector?: unknown;
        manualSelector?: boolean;
        suspend?: boolean;
        completionMode?: string;
        template: PodTemplate;
        [field: string]: unknown;
    };
    status?: JobStatus;
}

export interface JobStatus {
    active?: number;
    ready?: number;
    succeeded?: number;
    failed?: number;
    startTime?: string;
    completionTime?: string;
    completedIndexes?: string;
    conditions?: Condition[];
    [field: string]: unknown;
}
