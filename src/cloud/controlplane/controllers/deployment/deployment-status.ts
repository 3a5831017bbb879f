// SPDX-License-Identifier: Apache-2.0
import type { Condition } from "../../objects/pod.ts";
import type { Deployment, DeploymentStatus, ReplicaSet } from "../../objects/workloads.ts";
import { conditionOf } from "../lib/pods.ts";
import { metaTime, timeMs } from "../lib/time.ts";
import { boundsOf, sumStatus, totalSize, wished } from "./rollout.ts";

export interface Rollout {
    readonly deployment: Deployment;
    readonly current: ReplicaSet | undefined;
    readonly old: readonly ReplicaSet[];
}

type Counts = Pick<
    DeploymentStatus,
    | "observedGeneration"
    | "replicas"
    | "updatedReplicas"
    | "readyReplicas"
    | "availableReplicas"
    | "unavailableReplicas"
>;

/** The deadline that says "none": the largest int32, as kubectl and API clients write it. */
const NO_DEADLINE_S = 2_147_483_647;

/** The status of a Deployment, from that of its ReplicaSets; `retryMs` is when the deadline has to be looked at again. */
export function deploymentStatus(
    { deployment, current, old }: Rollout,
    nowMs: number,
): { readonly status: DeploymentStatus; readonly retryMs: number | undefined } {
    const all = current === undefined ? old : [...old, current];
    const available = sumStatus(all, "availableReplicas");
    const counts: Counts = {
        ...(deployment.metadata.generation === undefined ? {} : { observedGeneration: deployment.metadata.generation }),
        replicas: sumStatus(all, "replicas"),
        updatedReplicas: current?.status?.replicas ?? 0,
        readyReplicas: sumStatus(all, "readyReplicas"),
        availableReplicas: available,
        unavailableReplicas: Math.max(0, totalSize(all) - available),
    };
    const conditions = new Conditions(deployment.status?.conditions ?? [], nowMs);
    const enough = available >= wished(deployment) - boundsOf(deployment).maxUnavailable;
    if (enough) {
        conditions.set("Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability.");
    } else {
        const message = "Deployment does not have minimum availability.";
        conditions.set("Available", "False", "MinimumReplicasUnavailable", message);
    }
    notePause(deployment, conditions);
    const retryMs = progress({ deployment, current, old }, counts, conditions, nowMs);
    copyReplicaFailure(all, current, conditions);
    const shown = Object.fromEntries(
        Object.entries(counts).map(([name, value]) => [name, value === 0 ? undefined : value]),
    );
    return { status: { ...shown, conditions: conditions.list }, retryMs };
}

export function isComplete(deployment: Deployment, counts: Counts): boolean {
    const want = wished(deployment);
    return counts.updatedReplicas === want && counts.replicas === want && counts.availableReplicas === want;
}

/** Conditions of one Deployment; each keeps its transition time for as long as its status stays. */
export class Conditions {
    #list: Condition[];
    readonly #now: string;

    constructor(list: readonly Condition[], nowMs: number) {
        this.#list = [...list];
        this.#now = metaTime(nowMs);
    }

    get list(): Condition[] {
        return this.#list;
    }

    get(type: string): Condition | undefined {
        return conditionOf(this.#list, type);
    }

    set(type: string, status: string, reason: string, message: string): void {
        const known = this.get(type);
        if (known?.status === status && known.reason === reason) return;
        const lastTransitionTime = known?.status === status ? (known.lastTransitionTime ?? this.#now) : this.#now;
        this.#put({ type, status, lastUpdateTime: this.#now, lastTransitionTime, reason, message });
    }

    /** As `set`, and counts as news even when status and reason stay: the deadline starts anew. */
    renew(type: string, status: string, reason: string, message: string): void {
        const known = this.get(type);
        const lastTransitionTime = known?.status === status ? (known.lastTransitionTime ?? this.#now) : this.#now;
        this.#put({ type, status, lastUpdateTime: this.#now, lastTransitionTime, reason, message });
    }

    remove(type: string): void {
        this.#list = this.#list.filter((condition) => condition.type !== type);
    }

    #put(condition: Condition): void {
        this.#list = [...this.#list.filter(({ type }) => type !== condition.type), condition];
    }
}

/** A pause stops the clock of the deadline; resuming starts it anew. */
function notePause(deployment: Deployment, conditions: Conditions): void {
    const reason = conditions.get("Progressing")?.reason;
    // What has failed stays so until something changes.
    if (reason === "ProgressDeadlineExceeded") return;
    if (deployment.spec.paused && reason !== "DeploymentPaused") {
        conditions.set("Progressing", "Unknown", "DeploymentPaused", "Deployment is paused");
    } else if (!deployment.spec.paused && reason === "DeploymentPaused") {
        conditions.set("Progressing", "Unknown", "DeploymentResumed", "Deployment is resumed");
    }
}

function progress(
    { deployment, current }: Rollout,
    counts: Counts,
    conditions: Conditions,
    nowMs: number,
): number | undefined {
    const deadlineS = deployment.spec.progressDeadlineSeconds ?? 600;
    if (deadlineS >= NO_DEADLINE_S) {
        conditions.remove("Progressing");
        return undefined;
    }
    const what = current === undefined ? "Deployment" : `ReplicaSet`;
    const name = current === undefined ? deployment.metadata.name : current.metadata.name;
    const known = conditions.get("Progressing");
    const before = deployment.status ?? {};
    // Once complete it stays so until a new rollout, even when pods fail later.
    const settled = before.replicas === before.updatedReplicas && known?.reason === "NewReplicaSetAvailable";
    if (settled) return undefined;
    if (deployment.spec.paused) return undefined;
    if (isComplete(deployment, counts)) {
        conditions.set(
            "Progressing",
            "True",
            "NewReplicaSetAvailable",
            `${what} "${name}" has successfully progressed.`,
        );
        return undefined;
    }
    if (hasProgressed(before, counts)) {
        conditions.renew("Progressing", "True", "ReplicaSetUpdated", `${what} "${name}" is progressing.`);
    } else if (known !== undefined) {
        const sinceMs = timeMs(known.lastUpdateTime) ?? nowMs;
        if (known.reason !== "ProgressDeadlineExceeded" && nowMs - sinceMs >= deadlineS * 1000) {
            conditions.set(
                "Progressing",
                "False",
                "ProgressDeadlineExceeded",
                `${what} "${name}" has timed out progressing.`,
            );
            return undefined;
        }
    }
    const since = conditions.get("Progressing");
    if (since === undefined || since.reason === "ProgressDeadlineExceeded") return undefined;
    return Math.max(1000, (timeMs(since.lastUpdateTime) ?? nowMs) + deadlineS * 1000 - nowMs);
}

function hasProgressed(before: DeploymentStatus, counts: Counts): boolean {
    const more = (field: "updatedReplicas" | "readyReplicas" | "availableReplicas"): boolean =>
        (counts[field] ?? 0) > (before[field] ?? 0);
    const oldLeft = (status: DeploymentStatus): number => (status.replicas ?? 0) - (status.updatedReplicas ?? 0);
    return (
        more("updatedReplicas") ||
        more("readyReplicas") ||
        more("availableReplicas") ||
        oldLeft(counts) < oldLeft(before)
    );
}

function copyReplicaFailure(all: readonly ReplicaSet[], current: ReplicaSet | undefined, conditions: Conditions): void {
    const failing = [...(current === undefined ? [] : [current]), ...all]
        .map(({ status }) => conditionOf(status?.conditions, "ReplicaFailure"))
        .find((condition) => condition !== undefined);
    if (failing === undefined) conditions.remove("ReplicaFailure");
    else conditions.set("ReplicaFailure", failing.status, failing.reason ?? "", failing.message ?? "");
}
