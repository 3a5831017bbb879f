// SPDX-License-Identifier: Apache-2.0
import type { Deployment, ReplicaSet } from "../../objects/workloads.ts";
import { boundsOf, wished } from "./rollout.ts";

export const REVISION = "deployment.kubernetes.io/revision";
const REVISION_HISTORY = "deployment.kubernetes.io/revision-history";
const DESIRED_REPLICAS = "deployment.kubernetes.io/desired-replicas";
const MAX_REPLICAS = "deployment.kubernetes.io/max-replicas";

/** Annotations of a Deployment that are its own business and not handed to ReplicaSets. */
const OWN = new Set([
    "kubectl.kubernetes.io/last-applied-configuration",
    REVISION,
    REVISION_HISTORY,
    DESIRED_REPLICAS,
    MAX_REPLICAS,
    "deprecated.deployment.rollback.to",
]);

export function revisionOf(object: { readonly metadata: { readonly annotations?: Record<string, string> } }): number {
    return Number(object.metadata.annotations?.[REVISION] ?? 0) || 0;
}

/** The wish that a ReplicaSet was last sized for. */
export function sizedFor(replicaSet: ReplicaSet): number | undefined {
    const text = replicaSet.metadata.annotations?.[DESIRED_REPLICAS];
    return text === undefined ? undefined : Number(text);
}

/** The wish plus surge that a ReplicaSet was last sized for. */
export function sizedForAtMost(replicaSet: ReplicaSet): number | undefined {
    const text = replicaSet.metadata.annotations?.[MAX_REPLICAS];
    return text === undefined ? undefined : Number(text);
}

export function sizeAnnotations(deployment: Deployment): Record<string, string> {
    const max = wished(deployment) + boundsOf(deployment).maxSurge;
    return { [DESIRED_REPLICAS]: String(wished(deployment)), [MAX_REPLICAS]: String(max) };
}

/** The annotations of the newest ReplicaSet: the Deployment's own and its revision, with the numbers it had before. */
export function revisionAnnotations(
    deployment: Deployment,
    known: Readonly<Record<string, string>>,
    revision: number,
): Record<string, string> {
    const handed = Object.entries(deployment.metadata.annotations ?? {}).filter(([name]) => !OWN.has(name));
    const annotations: Record<string, string> = { ...known, ...Object.fromEntries(handed) };
    const previous = Number(known[REVISION] ?? 0) || 0;
    if (previous >= revision) return annotations;
    annotations[REVISION] = String(revision);
    if (previous > 0) {
        const history = (known[REVISION_HISTORY] ?? "").split(",").filter(Boolean);
        annotations[REVISION_HISTORY] = [...history, String(previous)].join(",");
    }
    return annotations;
}

/** The annotations a Deployment takes over from its newest ReplicaSet: after an undo, those of that revision. */
export function takenOver(deployment: Deployment, current: ReplicaSet): Record<string, string> {
    return { ...deployment.metadata.annotations, [REVISION]: String(revisionOf(current)) };
}
