// SPDX-License-Identifier: Apache-2.0
import type { Deployment, ReplicaSet } from "../../objects/workloads.ts";
import { scaled } from "../lib/int-or-percent.ts";
import { timeMs } from "../lib/time.ts";

/** What a rolling update may do at once, in pods. */
export interface Bounds {
    readonly maxSurge: number;
    readonly maxUnavailable: number;
}

export interface ScaleStep {
    readonly replicaSet: ReplicaSet;
    readonly replicas: number;
}

export const isRolling = (deployment: Deployment): boolean => deployment.spec.strategy?.type !== "Recreate";
export const wished = (deployment: Deployment): number => deployment.spec.replicas ?? 1;
export const size = (replicaSet: ReplicaSet): number => replicaSet.spec.replicas ?? 1;
export const totalSize = (replicaSets: readonly ReplicaSet[]): number =>
    replicaSets.reduce((sum, replicaSet) => sum + size(replicaSet), 0);

export function sumStatus(
    replicaSets: readonly ReplicaSet[],
    field: "replicas" | "readyReplicas" | "availableReplicas",
): number {
    return replicaSets.reduce((sum, { status }) => sum + (status?.[field] ?? 0), 0);
}

export const oldestFirst = (one: ReplicaSet, other: ReplicaSet): number =>
    (timeMs(one.metadata.creationTimestamp) ?? 0) - (timeMs(other.metadata.creationTimestamp) ?? 0) ||
    (one.metadata.name < other.metadata.name ? -1 : 1);

/** Both are 25 % when not said; at least one pod must be allowed to move. */
export function boundsOf(deployment: Deployment): Bounds {
    if (!isRolling(deployment)) return { maxSurge: 0, maxUnavailable: 0 };
    const { maxSurge: surge, maxUnavailable: unavailable } = deployment.spec.strategy?.rollingUpdate ?? {};
    const maxSurge = scaled(surge, "25%", wished(deployment), "up");
    const maxUnavailable = scaled(unavailable, "25%", wished(deployment), "down");
    return { maxSurge, maxUnavailable: maxSurge === 0 && maxUnavailable === 0 ? 1 : maxUnavailable };
}

/** How large the new ReplicaSet may be now. */
export function newSize(deployment: Deployment, all: readonly ReplicaSet[], current: ReplicaSet | undefined): number {
    const want = wished(deployment);
    if (!isRolling(deployment)) return want;
    const have = current === undefined ? 0 : size(current);
    const room = want + boundsOf(deployment).maxSurge - totalSize(all);
    return room <= 0 ? have : have + Math.max(0, Math.min(room, want - have));
}

/** Which old ReplicaSets may shrink now, and to what: first pods that do not work, then working ones one may miss. */
export function shrinkOld(deployment: Deployment, old: readonly ReplicaSet[], current: ReplicaSet): ScaleStep[] {
    const all = [...old, current];
    const minAvailable = wished(deployment) - boundsOf(deployment).maxUnavailable;
    const currentUnavailable = Math.max(0, size(current) - (current.status?.availableReplicas ?? 0));
    let removable = totalSize(all) - minAvailable - currentUnavailable;
    const sizes = new Map(old.map((replicaSet) => [replicaSet, size(replicaSet)]));
    const shrink = (replicaSet: ReplicaSet, by: number): void => {
        sizes.set(replicaSet, (sizes.get(replicaSet) ?? 0) - by);
    };
    if (removable <= 0) return [];
    for (const replicaSet of [...old].sort(oldestFirst)) {
        const broken = Math.max(0, size(replicaSet) - (replicaSet.status?.availableReplicas ?? 0));
        const by = Math.min(removable, broken, size(replicaSet));
        shrink(replicaSet, by);
        removable -= by;
    }
    let spare = sumStatus(all, "availableReplicas") - minAvailable;
    for (const replicaSet of [...old].sort(oldestFirst)) {
        const by = Math.max(0, Math.min(spare, sizes.get(replicaSet) ?? 0));
        shrink(replicaSet, by);
        spare -= by;
    }
    return [...sizes]
        .filter(([replicaSet, replicas]) => replicas !== size(replicaSet))
        .map(([replicaSet, replicas]) => ({ replicaSet, replicas }));
}

/**
 * Sizes after the wish changed in the middle of a rollout, or while it is paused: each ReplicaSet keeps its share
 * (kubernetes "proportional scaling"). `annotated` is the wish that each ReplicaSet was last sized for.
 */
export function proportionalSizes(
    deployment: Deployment,
    active: readonly ReplicaSet[],
    annotated: (replicaSet: ReplicaSet) => number,
): ScaleStep[] {
    const allowed = wished(deployment) > 0 ? wished(deployment) + boundsOf(deployment).maxSurge : 0;
    const total = totalSize(active);
    const toAdd = allowed - total;
    const largestFirst = [...active].sort((one, other) =>
        size(one) !== size(other)
            ? size(other) - size(one)
            : toAdd > 0
              ? oldestFirst(other, one)
              : oldestFirst(one, other),
    );
    let added = 0;
    const steps = largestFirst.map((replicaSet) => {
        const want = Math.round((size(replicaSet) * allowed) / Math.max(1, annotated(replicaSet)));
        const left = toAdd - added;
        const change = want - size(replicaSet);
        const by = toAdd > 0 ? Math.max(0, Math.min(change, left)) : Math.min(0, Math.max(change, left));
        added += by;
        return { replicaSet, replicas: size(replicaSet) + by };
    });
    const [first, ...rest] = steps;
    if (first === undefined) return [];
    // What rounding left over goes to the largest.
    return [{ ...first, replicas: Math.max(0, first.replicas + toAdd - added) }, ...rest];
}
