// SPDX-License-Identifier: Apache-2.0
import { isNotFound } from "../../../../kube/client/status-error.ts";
import type { Condition, Pod } from "../../objects/pod.ts";
import { ControllerKinds } from "../../objects/types.ts";
import type { Job } from "../../objects/workloads.ts";
import type { Caches, ControlPorts } from "../lib/caches.ts";
import { Controller, keyOf, splitKey } from "../lib/controller.ts";
import { controllerOf, named } from "../lib/owners.ts";
import { PodControl } from "../lib/pod-control.ts";
import { byDeletionCost, conditionOf, isActive, isReady } from "../lib/pods.ts";
import { writeStatus } from "../lib/status.ts";
import { metaTime, timeMs } from "../lib/time.ts";

const RETRY_FIRST_MS = 10_000;
const RETRY_LAST_MS = 360_000;

interface Counts {
    readonly active: readonly Pod[];
    readonly succeeded: number;
    readonly failed: number;
    /** Restarts of containers count as failures when the kubelet restarts them itself. */
    readonly restarts: number;
    readonly lastFailureMs: number | undefined;
}

/** Runs pods until as many as wished have succeeded (kubernetes.io, "Jobs"; completion mode NonIndexed). */
export class JobController extends Controller {
    readonly #pods: PodControl;

    constructor(caches: Caches, ports: ControlPorts) {
        super("job-controller", caches, ports);
        this.#pods = new PodControl(ControllerKinds.job, caches, this.ports, this.events);
    }

    protected watch(): void {
        this.follow(this.caches.jobs, (job, _, gone) => {
            if (gone) this.#pods.expected.forget(keyOf(job));
            else this.queue.add(keyOf(job));
        });
        this.follow(this.caches.pods, (pod, _, gone) => {
            const owner = controllerOf(pod);
            if (owner?.kind !== "Job") return;
            const key = `${pod.metadata.namespace}/${owner.name}`;
            if (gone) this.#pods.expected.gone(key, pod);
            else this.#pods.expected.seen(key, pod);
            this.queue.add(key);
        });
    }

    protected async reconcile(key: string): Promise<void> {
        const { namespace, name } = splitKey(key);
        const job = this.caches.jobs.get(namespace, name);
        if (job === undefined || job.metadata.deletionTimestamp !== undefined) return;
        if (finishedMs(job) !== undefined) {
            await this.#expire(job);
            return;
        }
        const pendingMs = this.#pods.expected.pendingMs(key);
        if (pendingMs !== undefined) {
            this.queue.addAfter(key, pendingMs);
            return;
        }
        const counts = count(this.caches.pods.byIndex("controller", job.metadata.uid ?? ""));
        const failure = this.#failure(job, counts);
        if (failure !== undefined) await this.#fail(job, counts, failure);
        else if (isDone(job, counts)) await this.#complete(job, counts);
        else await this.#work(job, counts);
    }

    async #work(job: Job, counts: Counts): Promise<void> {
        const suspended = job.spec.suspend === true;
        const wanted = suspended ? 0 : wishedActive(job, counts);
        const surplus = counts.active.length - wanted;
        const startTime = suspended ? undefined : (job.status?.startTime ?? metaTime(this.nowMs));
        await this.#status(job, counts, { startTime, ...this.#suspension(job, suspended) });
        if (surplus > 0) {
            const first = [...counts.active].sort(byDeletionCost(() => 0)).slice(0, surplus);
            for (const pod of first) await this.#pods.delete(job, pod);
        } else if (surplus < 0) {
            const waitMs = this.#retryMs(counts);
            if (waitMs > 0) this.queue.addAfter(keyOf(job), waitMs);
            else
                await this.#pods.createAll(
                    job,
                    Array.from({ length: -surplus }, () => job.spec.template),
                );
        }
        const deadlineS = job.spec.activeDeadlineSeconds;
        const startedMs = timeMs(startTime);
        if (deadlineS !== undefined && startedMs !== undefined) {
            this.queue.addAfter(keyOf(job), Math.max(0, startedMs + deadlineS * 1000 - this.nowMs));
        }
    }

    /** How long to wait since the last failure: 10 s doubling to 6 minutes. */
    #retryMs({ failed, lastFailureMs }: Counts): number {
        if (failed === 0 || lastFailureMs === undefined) return 0;
        const pauseMs = Math.min(RETRY_LAST_MS, RETRY_FIRST_MS * 2 ** Math.min(failed - 1, 10));
        return lastFailureMs + pauseMs - this.nowMs;
    }

    #failure(job: Job, counts: Counts): { reason: string; message: string } | undefined {
        if (counts.failed + counts.restarts > (job.spec.backoffLimit ?? 6)) {
            const message = "Job has reached the specified backoff limit";
            return { reason: "BackoffLimitExceeded", message };
        }
        const startedMs = timeMs(job.status?.startTime);
        const { activeDeadlineSeconds, suspend } = job.spec;
        if (activeDeadlineSeconds === undefined || startedMs === undefined || suspend) return undefined;
        if (this.nowMs - startedMs < activeDeadlineSeconds * 1000) return undefined;
        return { reason: "DeadlineExceeded", message: "Job was active longer than specified deadline" };
    }

    async #fail(job: Job, counts: Counts, { reason, message }: { reason: string; message: string }): Promise<void> {
        for (const pod of counts.active) await this.#pods.delete(job, pod);
        const conditions = this.#conditions(job, "Failed", reason, message);
        await this.#status(job, { ...counts, active: [] }, { conditions });
        this.warning(job, reason, message);
    }

    async #complete(job: Job, counts: Counts): Promise<void> {
        for (const pod of counts.active) await this.#pods.delete(job, pod);
        const conditions = this.#conditions(job, "Complete", "", "");
        const now = metaTime(this.nowMs);
        const startTime = job.status?.startTime ?? now;
        await this.#status(job, { ...counts, active: [] }, { conditions, startTime, completionTime: now });
        this.normal(job, "Completed", "Job completed");
    }

    async #status(job: Job, counts: Counts, more: Record<string, unknown>): Promise<void> {
        await writeStatus(this.ports.cluster, ControllerKinds.job, job, {
            active: counts.active.length || undefined,
            ready: counts.active.filter(isReady).length || undefined,
            succeeded: counts.succeeded || undefined,
            failed: counts.failed || undefined,
            ...more,
        });
    }

    #suspension(job: Job, suspended: boolean): { conditions?: Condition[] } {
        const known = conditionOf(job.status?.conditions, "Suspended");
        if (suspended === (known?.status === "True")) return {};
        const status = suspended ? "True" : "False";
        const reason = suspended ? "JobSuspended" : "JobResumed";
        this.normal(job, suspended ? "Suspended" : "Resumed", suspended ? "Job suspended" : "Job resumed");
        return { conditions: this.#conditions(job, "Suspended", reason, reason, status) };
    }

    #conditions(job: Job, type: string, reason: string, message: string, status = "True"): Condition[] {
        const now = metaTime(this.nowMs);
        const others = (job.status?.conditions ?? []).filter((condition) => condition.type !== type);
        const said = { ...(reason === "" ? {} : { reason }), ...(message === "" ? {} : { message }) };
        return [...others, { type, status, lastProbeTime: now, lastTransitionTime: now, ...said }];
    }

    /** Deletes a finished job `ttlSecondsAfterFinished` after its end (KEP-592). */
    async #expire(job: Job): Promise<void> {
        const endedMs = finishedMs(job);
        const { ttlSecondsAfterFinished } = job.spec;
        if (ttlSecondsAfterFinished === undefined || endedMs === undefined) return;
        const leftMs = endedMs + ttlSecondsAfterFinished * 1000 - this.nowMs;
        if (leftMs > 0) {
            this.queue.addAfter(keyOf(job), leftMs);
            return;
        }
        const options = { uid: job.metadata.uid, propagationPolicy: "Foreground" } as const;
        try {
            await this.ports.cluster.delete({ type: ControllerKinds.job, ...named(job) }, options);
        } catch (failure) {
            if (!isNotFound(failure)) throw failure;
        }
    }
}

function count(pods: readonly Pod[]): Counts {
    const failed = pods.filter(({ status }) => status?.phase === "Failed");
    const active = pods.filter(isActive);
    const restarts = active
        .filter(({ spec }) => spec.restartPolicy === "OnFailure")
        .flatMap(({ status }) => status?.containerStatuses ?? [])
        .reduce((sum, { restartCount }) => sum + (restartCount ?? 0), 0);
    const ends = failed.flatMap((pod) => endedMs(pod) ?? []);
    return {
        active,
        succeeded: pods.filter(({ status }) => status?.phase === "Succeeded").length,
        failed: failed.length,
        restarts,
        lastFailureMs: ends.length === 0 ? undefined : Math.max(...ends),
    };
}

function endedMs(pod: Pod): number | undefined {
    const ends = (pod.status?.containerStatuses ?? []).map((status) => {
        const { terminated } = (status["state"] ?? {}) as { terminated?: { finishedAt?: string } };
        return timeMs(terminated?.finishedAt) ?? 0;
    });
    const lastMs = Math.max(0, ...ends);
    return lastMs > 0 ? lastMs : timeMs(pod.metadata.creationTimestamp);
}

/** Without `completions` the job is done once one pod succeeded and all others have ended. */
function isDone(job: Job, { active, succeeded }: Counts): boolean {
    const { completions } = job.spec;
    return completions === undefined ? succeeded > 0 && active.length === 0 : succeeded >= completions;
}

function wishedActive(job: Job, { active, succeeded }: Counts): number {
    const { completions, parallelism = 1 } = job.spec;
    if (completions === undefined) return succeeded > 0 ? active.length : parallelism;
    return Math.min(parallelism, completions - succeeded);
}

function finishedMs(job: Job): number | undefined {
    const end = (job.status?.conditions ?? []).find(
        ({ type, status }) => (type === "Complete" || type === "Failed") && status === "True",
    );
    return end === undefined ? undefined : (timeMs(end.lastTransitionTime) ?? 0);
}
