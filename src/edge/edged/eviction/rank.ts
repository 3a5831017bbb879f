// SPDX-License-Identifier: Apache-2.0
import { parseQuantity } from "../../../kube/quantity.ts";
import { isStatic } from "../pods/mirror.ts";
import type { Pod } from "../podspec/types.ts";

/** Kubernetes' priority of system-cluster-critical and above. */
const CRITICAL = 2_000_000_000;

/** What a pod uses of the resource that is short: bytes, or processes. */
export interface Candidate<P> {
    readonly owner: P;
    readonly pod: Pod;
    readonly used: number;
}

/** Pods that are never evicted, as the kubelet's: those from the gateway's own folder and those of critical priority. */
export function isCritical(pod: Pod): boolean {
    return isStatic(pod) || (pod.spec.priority ?? 0) >= CRITICAL;
}

/** Requests of all containers for a resource, in base units; processes cannot be requested. */
export function requestOf(pod: Pod, resource: "memory" | "ephemeral-storage" | "pids"): number {
    return pod.spec.containers.reduce((sum, { resources }) => {
        return sum + (parseQuantity(resources?.requests?.[resource] ?? resources?.limits?.[resource]) ?? 0);
    }, 0);
}

/**
 * Whom to evict first: who uses more than requested (so BestEffort and Burstable before Guaranteed), then the lower
 * priority, then who is furthest over the request.
 */
export function rank<P>(
    candidates: readonly Candidate<P>[],
    resource: "memory" | "ephemeral-storage" | "pids",
): readonly Candidate<P>[] {
    const over = ({ pod, used }: Candidate<P>): number => used - requestOf(pod, resource);
    const exceeds = (one: Candidate<P>): number => (resource !== "pids" && over(one) > 0 ? 0 : 1);
    return candidates
        .filter(({ pod }) => !isCritical(pod))
        .sort(
            (a, b) =>
                exceeds(a) - exceeds(b) || (a.pod.spec.priority ?? 0) - (b.pod.spec.priority ?? 0) || over(b) - over(a),
        );
}
