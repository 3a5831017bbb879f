// SPDX-License-Identifier: Apache-2.0
import type { Condition, Pod } from "../../objects/pod.ts";
import { timeMs } from "./time.ts";

export const isFinished = (pod: Pod): boolean => pod.status?.phase === "Succeeded" || pod.status?.phase === "Failed";
export const isTerminating = (pod: Pod): boolean => pod.metadata.deletionTimestamp !== undefined;
/** Counts towards the wished number of pods. */
export const isActive = (pod: Pod): boolean => !isFinished(pod) && !isTerminating(pod);

export function conditionOf(conditions: readonly Condition[] | undefined, type: string): Condition | undefined {
    return conditions?.find((condition) => condition.type === type);
}

export const isReady = (pod: Pod): boolean => conditionOf(pod.status?.conditions, "Ready")?.status === "True";

/** Milliseconds until a pod counts as available: 0 when it does, undefined while it is not ready. */
export function availableInMs(pod: Pod, minReadySeconds: number, nowMs: number): number | undefined {
    const ready = conditionOf(pod.status?.conditions, "Ready");
    if (ready?.status !== "True") return undefined;
    if (minReadySeconds === 0) return 0;
    const sinceMs = timeMs(ready.lastTransitionTime);
    return sinceMs === undefined ? undefined : Math.max(0, sinceMs + minReadySeconds * 1000 - nowMs);
}

/** Kubernetes' order of deletion: what is lost least comes first. `together` counts the set's pods on a pod's node. */
export function byDeletionCost(together: (pod: Pod) => number): (one: Pod, other: Pod) => number {
    return (one, other) => {
        for (const rank of RANKS) {
            const difference = rank(one) - rank(other);
            if (difference !== 0) return difference;
        }
        const crowded = together(other) - together(one);
        if (crowded !== 0) return crowded;
        const restarts = restartsOf(other) - restartsOf(one);
        if (restarts !== 0) return restarts;
        const younger = bornMs(other) - bornMs(one);
        return younger !== 0 ? younger : one.metadata.name < other.metadata.name ? -1 : 1;
    };
}

const PHASE_RANK: Readonly<Record<string, number>> = { Pending: 0, Unknown: 1, Running: 2 };

const RANKS: readonly ((pod: Pod) => number)[] = [
    (pod) => (pod.spec.nodeName ? 1 : 0),
    (pod) => PHASE_RANK[pod.status?.phase ?? "Pending"] ?? 0,
    (pod) => (isReady(pod) ? 1 : 0),
    (pod) => Number(pod.metadata.annotations?.["controller.kubernetes.io/pod-deletion-cost"] ?? 0) || 0,
];

function restartsOf(pod: Pod): number {
    return Math.max(0, ...(pod.status?.containerStatuses ?? []).map(({ restartCount }) => restartCount ?? 0));
}

function bornMs(pod: Pod): number {
    return timeMs(pod.metadata.creationTimestamp) ?? 0;
}
