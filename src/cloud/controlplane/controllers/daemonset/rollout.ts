// SPDX-License-Identifier: Apache-2.0
import type { Pod } from "../../objects/pod.ts";
import type { DaemonSet } from "../../objects/workloads.ts";
import { CONTROLLER_REVISION_HASH } from "../lib/hash.ts";
import { scaled } from "../lib/int-or-percent.ts";
import { isFinished, isTerminating } from "../lib/pods.ts";

export interface RolloutState {
    readonly daemonSet: DaemonSet;
    /** Names of the nodes that should run a pod. */
    readonly nodes: readonly string[];
    readonly byNode: ReadonlyMap<string, readonly Pod[]>;
    /** controller-revision-hash of the wished template. */
    readonly hash: string;
    readonly isAvailable: (pod: Pod) => boolean;
}

export interface RolloutPlan {
    readonly remove: readonly Pod[];
    /** Nodes that get a new pod beside their old one. */
    readonly add: readonly string[];
}

export function boundsOf(daemonSet: DaemonSet, nodes: number): { maxSurge: number; maxUnavailable: number } {
    const { maxSurge: surge, maxUnavailable: unavailable } = daemonSet.spec.updateStrategy?.rollingUpdate ?? {};
    const maxSurge = scaled(surge, 0, nodes, "up");
    const maxUnavailable = scaled(unavailable, maxSurge > 0 ? 0 : 1, nodes, "up");
    return { maxSurge, maxUnavailable: maxSurge === 0 && maxUnavailable === 0 ? 1 : maxUnavailable };
}

/** The next step of a rolling update: never more nodes without a working pod than `maxUnavailable`. */
export function planRollout(state: RolloutState): RolloutPlan {
    const { daemonSet, nodes } = state;
    const bounds = boundsOf(daemonSet, nodes.length);
    return bounds.maxSurge > 0 ? surging(state, bounds.maxSurge) : replacing(state, bounds.maxUnavailable);
}

interface Pair {
    readonly fresh: Pod | undefined;
    readonly old: Pod | undefined;
    readonly leaving: boolean;
}

function pairOf({ byNode, hash }: RolloutState, nodeName: string): Pair {
    const pods = (byNode.get(nodeName) ?? []).filter((pod) => !isFinished(pod));
    const alive = pods.filter((pod) => !isTerminating(pod));
    const isFresh = (pod: Pod): boolean => pod.metadata.labels?.[CONTROLLER_REVISION_HASH] === hash;
    return {
        fresh: alive.find(isFresh),
        old: alive.find((pod) => !isFresh(pod)),
        leaving: pods.length > alive.length,
    };
}

/** Delete first, then make anew: old pods that do not work go at once, working ones as far as one may miss them. */
function replacing(state: RolloutState, maxUnavailable: number): RolloutPlan {
    const broken: Pod[] = [];
    const working: Pod[] = [];
    let unavailable = 0;
    for (const nodeName of state.nodes) {
        const { fresh, old } = pairOf(state, nodeName);
        if (old !== undefined && fresh === undefined) {
            if (state.isAvailable(old)) working.push(old);
            else {
                broken.push(old);
                unavailable += 1;
            }
        } else if (fresh === undefined || !state.isAvailable(fresh)) unavailable += 1;
    }
    return { remove: [...broken, ...working.slice(0, Math.max(0, maxUnavailable - unavailable))], add: [] };
}

/** Make anew first, then delete: an old pod goes when the new one beside it works, or when it does not work itself. */
function surging(state: RolloutState, maxSurge: number): RolloutPlan {
    const remove: Pod[] = [];
    const add: string[] = [];
    let beside = 0;
    for (const nodeName of state.nodes) {
        const { fresh, old, leaving } = pairOf(state, nodeName);
        if (old === undefined) continue;
        if (fresh !== undefined) {
            beside += 1;
            if (state.isAvailable(fresh)) remove.push(old);
        } else if (!state.isAvailable(old)) remove.push(old);
        else if (!leaving) add.push(nodeName);
    }
    return { remove, add: add.slice(0, Math.max(0, maxSurge - beside)) };
}
