// SPDX-License-Identifier: Apache-2.0
import { errorText, isRedgeError } from "../../../core/errors/redge-error.ts";
import type { Logger } from "../../../core/log.ts";
import { Operation } from "../../../envelope/envelope.ts";
import { formatResource } from "../../../envelope/resource.ts";
import type { Pod, PodStatus } from "../podspec/types.ts";
import { podName } from "../podspec/types.ts";
import type { Prober } from "../probes/prober.ts";
import type { PodRecord, PodRuntime } from "../runtimes/runtime.ts";
import { ContainerStarts } from "./container-starts.ts";
import type { RuntimeChoice, WorkerDeps } from "./deps.ts";
import { ExitMessages } from "./exit-messages.ts";
import { isStatic, removeMirror } from "./mirror.ts";
import { Passes } from "./passes.ts";
import { type ContainerView, type Plan, planPod, viewsOf } from "./plan.ts";
import { podProber } from "./pod-prober.ts";
import { StatusReporter } from "./reporter.ts";
import { sandboxSpec } from "./sandbox.ts";
import { graceOf } from "./starter.ts";
import { deadlineMs, mergeStatus, podStatus } from "./status.ts";
import { podSubject } from "./subject.ts";
import { stopOne, stopPod, stopSooner, terminationGrace } from "./terminator.ts";
import { type PodFailure, Verdict } from "./verdict.ts";

const RETRY_MS = 5_000;
const RESYNC_MS = 60_000;
/** A pod that is not up by then is told as it is: taken, its containers being created. */
const EARLY_MS = 300;

/**
 * Keeps one pod as it should be. Level-triggered: every pass looks at what the runtime has and does what is missing, so a
 * pass may be cut off anywhere and the next one goes on. Passes of one pod never overlap.
 */
export class PodWorker {
    readonly uid: string;
    readonly #deps: WorkerDeps;
    readonly #log: Logger;
    readonly #passes: Passes;
    readonly #verdict: Verdict;
    readonly #reporter: StatusReporter;
    readonly #starts: ContainerStarts;
    readonly #prober: Prober;
    readonly #messages = new ExitMessages();
    #pod: Pod;
    #runtime: PodRuntime | undefined;
    #record: PodRecord | undefined;
    /** The API has no such pod any more. */
    #gone = false;
    #terminal: PodStatus | undefined;
    readonly #seenMs: number;

    constructor(pod: Pod, deps: WorkerDeps) {
        this.uid = pod.metadata.uid;
        this.#pod = pod;
        this.#deps = deps;
        this.#seenMs = deps.clock.nowMs();
        this.#log = deps.log.child({ pod: podName(pod) });
        this.#passes = new Passes(deps.clock, () => this.#pass());
        this.#verdict = new Verdict(deps);
        this.#reporter = new StatusReporter(pod, deps, () => this.wake());
        this.#starts = new ContainerStarts(deps, this.#messages);
        this.#prober = podProber(deps, {
            pod: () => this.#pod,
            runtime: () => this.#runtime,
            record: () => this.#record,
            changed: () => this.wake(),
            kill: (name, containerId, why, graceSeconds) => this.#kill(name, containerId, why, graceSeconds),
        });
    }

    get pod(): Pod {
        return this.#pod;
    }

    get record(): PodRecord | undefined {
        return this.#record;
    }

    /** No pass is under way and none is due at once. */
    get idle(): boolean {
        return this.#passes.idle;
    }

    get runtime(): PodRuntime | undefined {
        return this.#runtime;
    }

    /** A newer version of the pod. What Edged itself knows better, the status, is kept. */
    update(pod: Pod): void {
        const before = this.#pod;
        this.#pod =
            this.#pod.status === undefined ? pod : { ...pod, status: mergeStatus(pod.status, this.#pod.status) };
        const shorter =
            terminationGrace(pod) < terminationGrace(before) || before.metadata.deletionTimestamp === undefined;
        if (pod.metadata.deletionTimestamp !== undefined && shorter) this.#hurry();
        this.wake();
    }

    /** The API server has deleted it: end it, tell nobody. */
    remove(): void {
        this.#gone = true;
        this.wake();
    }

    /** Ends the pod for good; its status stays until it is deleted. Resolves when nothing of it runs. */
    evict(failure: PodFailure, graceSeconds: number): Promise<void> {
        const gone = this.#verdict.evict(this.#pod, failure, graceSeconds);
        this.wake();
        return gone;
    }

    wake(): void {
        this.#passes.wake();
    }

    linkUp(): void {
        this.#reporter.linkUp();
        this.wake();
    }

    /** Leaves the containers as they are: they are adopted at the next start. */
    async stop(): Promise<void> {
        this.#prober.stop();
        this.#reporter.stop();
        await this.#passes.stop();
    }

    /** Answers when to look again if nothing happens before. */
    #pass(): Promise<number> {
        return this.#reconcile().catch((thrown: unknown) => {
            this.#log.warn("pod could not be brought up to date, trying again", { error: thrown });
            if (isRedgeError(thrown)) {
                this.#deps.events.record(podSubject(this.#pod), "Warning", "FailedSync", errorText(thrown));
            }
            return RETRY_MS;
        });
    }

    async #reconcile(): Promise<number> {
        const choice = await this.#deps.runtimeFor(this.#pod);
        if ("problem" in choice) return this.#withoutRuntime(choice);
        this.#runtime = choice.runtime;
        this.#record = await choice.runtime.get(this.uid);
        if (this.#gone || this.#pod.metadata.deletionTimestamp !== undefined) return this.#terminate(choice.runtime);
        if (!this.#verdict.allows(this.#pod, this.#record)) return this.#endEarly(choice.runtime);
        const untold = this.#pod.status?.startTime === undefined;
        const early = untold ? this.#deps.clock.after(EARLY_MS, () => this.#publish(this.#plan(true))) : undefined;
        return this.#advance(choice.runtime, choice.handler).finally(() => early?.cancel());
    }

    async #advance(runtime: PodRuntime, handler: string): Promise<number> {
        const pod = this.#pod;
        const sandboxUp = this.#record?.sandbox?.ready === true;
        let plan = this.#plan(!sandboxUp);
        if (plan.finished !== undefined) return this.#finish(runtime, plan);
        const context = this.#deps.volumeContext(this.#record?.sandbox?.ips ?? []);
        try {
            if (await this.#deps.volumes.prepare(pod, context)) {
                for (const { container } of plan.views) this.#starts.forgive(container.name);
                await runtime.volumesChanged(this.uid);
            }
        } catch (thrown) {
            if (!isRedgeError(thrown)) throw thrown;
            const { volume, reason } = thrown.details;
            const message = `MountVolume.SetUp failed for volume "${volume}" : ${reason}`;
            this.#deps.events.record(podSubject(pod), "Warning", "FailedMount", message);
            this.#publish(plan);
            return RETRY_MS;
        }
        if (!sandboxUp) {
            const failed = await this.#startSandbox(runtime, handler);
            if (failed) return RETRY_MS;
            plan = this.#plan(true);
        }
        for (const view of plan.replace) await this.#replace(runtime, view);
        const nextMs = await this.#startAll(runtime, handler, plan);
        this.#record = await runtime.get(this.uid);
        await this.#messages.collect(runtime, pod, this.#record);
        plan = this.#plan(this.#record?.sandbox?.ready !== true);
        this.#followProbes(plan);
        this.#publish(plan);
        if (plan.finished !== undefined) return 0;
        return Math.min(nextMs, deadlineMs(this.#pod, this.#deps.clock.nowMs()), RESYNC_MS);
    }

    #plan(freshSandbox: boolean): Plan {
        const started = (name: string): boolean => this.#prober.started(name);
        return planPod(this.#pod, viewsOf(this.#pod, this.#record), { freshSandbox, started });
    }

    async #startSandbox(runtime: PodRuntime, handler: string): Promise<boolean> {
        try {
            await runtime.ensureSandbox(sandboxSpec(this.#pod, handler));
            this.#record = await runtime.get(this.uid);
            return false;
        } catch (thrown) {
            if (!isRedgeError(thrown)) throw thrown;
            const message = `Failed to create pod sandbox: ${errorText(thrown)}`;
            this.#deps.events.record(podSubject(this.#pod), "Warning", "FailedCreatePodSandBox", message);
            this.#publish(this.#plan(true));
            return true;
        }
    }

    /** Starts what is due; answers in how many milliseconds the next start is due. */
    async #startAll(runtime: PodRuntime, handler: string, plan: Plan): Promise<number> {
        let nextMs = Number.POSITIVE_INFINITY;
        for (const planned of plan.start) {
            if (this.#interrupted()) return 0;
            const { sandbox } = this.#record ?? {};
            if (sandbox === undefined) return RETRY_MS;
            const slow = (): void => this.#publish(plan);
            const context = { pod: this.#pod, runtime, handler, sandbox, record: this.#record, slow };
            nextMs = Math.min(nextMs, await this.#starts.start(context, planned));
        }
        return nextMs;
    }

    async #replace(runtime: PodRuntime, view: ContainerView): Promise<void> {
        if (this.#record !== undefined)
            await stopOne(this.#deps, runtime, this.#pod, this.#record, view, graceOf(this.#pod));
        this.wake();
    }

    #kill(name: string, containerId: string, why: string, graceSeconds: number): void {
        const view = viewsOf(this.#pod, this.#record).find(({ container }) => container.name === name);
        if (view?.current?.id !== containerId || this.#runtime === undefined || this.#record === undefined) return;
        const told = `Container ${name} ${why}, will be restarted`;
        stopOne(this.#deps, this.#runtime, this.#pod, this.#record, view, graceSeconds, told).then(
            () => this.wake(),
            (thrown: unknown) => this.#log.warn("container could not be stopped", { name, error: thrown }),
        );
    }

    #followProbes(plan: Plan): void {
        const running = plan.views.flatMap(({ container, current, kind }) =>
            current?.state.phase === "running" && kind !== "ephemeral" ? [{ container, record: current }] : [],
        );
        this.#prober.follow(this.#pod, running);
    }

    /** Ends a pod that must not run (any more) and keeps its record until it is deleted. */
    async #endEarly(runtime: PodRuntime): Promise<number> {
        if (this.#record !== undefined) {
            const graceSeconds = this.#verdict.graceSeconds ?? terminationGrace(this.#pod);
            await stopPod(this.#deps, runtime, this.#pod, this.#record, graceSeconds);
            this.#record = await runtime.get(this.uid);
            await this.#messages.collect(runtime, this.#pod, this.#record);
        }
        this.#prober.stop();
        this.#publish(undefined);
        if (this.#verdict.evicting) {
            // The node needs what the pod holds: its status is all that stays.
            await runtime.removePod(this.uid);
            await this.#deps.volumes.remove(this.uid);
            this.#record = undefined;
            this.#verdict.gone();
        }
        return RESYNC_MS;
    }

    async #finish(runtime: PodRuntime, plan: Plan): Promise<number> {
        this.#prober.stop();
        if (this.#record?.sandbox?.ready === true) {
            await stopPod(this.#deps, runtime, this.#pod, this.#record, terminationGrace(this.#pod));
            this.#record = await runtime.get(this.uid);
        }
        await this.#messages.collect(runtime, this.#pod, this.#record);
        this.#publish(plan);
        return RESYNC_MS;
    }

    async #terminate(runtime: PodRuntime): Promise<number> {
        this.#prober.stop();
        if (this.#terminal === undefined) {
            if (this.#record !== undefined) {
                await stopPod(this.#deps, runtime, this.#pod, this.#record, terminationGrace(this.#pod));
                this.#record = await runtime.get(this.uid);
                await this.#messages.collect(runtime, this.#pod, this.#record);
            }
            this.#terminal = this.#status(undefined, true);
            this.#pod = { ...this.#pod, status: this.#terminal };
        }
        await runtime.removePod(this.uid);
        await this.#deps.volumes.remove(this.uid);
        return this.#release();
    }

    /** Nothing of it runs here any more: tell the cloud, then forget it. */
    async #release(): Promise<number> {
        if (!this.#gone && this.#terminal !== undefined) {
            this.#reporter.set(this.#pod, this.#terminal);
            if (!this.#reporter.upToDate) return RESYNC_MS;
            const { namespace, name, uid } = this.#pod.metadata;
            const options = { gracePeriodSeconds: 0, preconditions: { uid } };
            await this.#deps.client.request(Operation.delete, formatResource(namespace, "pod", name), options);
        }
        if (this.#gone && isStatic(this.#pod)) removeMirror(this.#deps.client, this.#pod, this.#log);
        this.#reporter.stop();
        this.#passes.end();
        this.#deps.finished(this.uid);
        return RESYNC_MS;
    }

    async #withoutRuntime(choice: Extract<RuntimeChoice, { problem: string }>): Promise<number> {
        if (this.#gone || (this.#pod.metadata.deletionTimestamp !== undefined && this.#record === undefined)) {
            if (this.#pod.status?.containerStatuses?.some(({ containerID }) => containerID) !== true) {
                this.#terminal ??= this.#status(undefined, true);
                return this.#release();
            }
        }
        this.#deps.events.record(podSubject(this.#pod), "Warning", choice.reason, choice.problem);
        this.#publish(undefined);
        return RETRY_MS * 2;
    }

    #publish(plan: Plan | undefined): void {
        const status = this.#status(plan, false);
        this.#pod = { ...this.#pod, status };
        this.#reporter.set(this.#pod, status);
    }

    #status(plan: Plan | undefined, terminated: boolean): PodStatus {
        const { failure } = this.#verdict;
        return podStatus({
            pod: this.#pod,
            nowMs: this.#deps.clock.nowMs(),
            seenMs: this.#seenMs,
            runtimeName: this.#runtime?.name ?? "",
            plan,
            views: plan?.views ?? viewsOf(this.#pod, this.#record),
            sandboxReady: this.#record?.sandbox?.ready === true,
            podIps: this.#record?.sandbox?.ips ?? [],
            hostIps: this.#deps.hostIps(),
            waiting: this.#starts.waiting,
            ready: (name) => this.#prober.ready(name),
            started: (name) => this.#prober.started(name),
            messages: this.#messages.all,
            ...(failure === undefined ? {} : { failure }),
            terminated,
        });
    }

    /** A stop that is under way with a long grace period is cut short. */
    #hurry(): void {
        const graceSeconds = this.#pod.metadata.deletionGracePeriodSeconds;
        if (this.#passes.idle || this.#runtime === undefined || graceSeconds === undefined) return;
        stopSooner(this.#runtime, this.#record, graceSeconds, this.#log);
    }

    #interrupted(): boolean {
        const ending = this.#gone || this.#pod.metadata.deletionTimestamp !== undefined;
        return ending || this.#verdict.failure !== undefined || this.#passes.ended;
    }
}
