// SPDX-License-Identifier: Apache-2.0
import type { Pod, StateWaiting } from "../podspec/types.ts";
import type { ContainerRecord, PodRecord, PodRuntime, SandboxRecord } from "../runtimes/runtime.ts";
import { Backoff } from "./backoff.ts";
import type { WorkerDeps } from "./deps.ts";
import type { ExitMessages } from "./exit-messages.ts";
import type { ContainerView, PlannedStart } from "./plan.ts";
import { startContainer } from "./starter.ts";
import { containerSubject } from "./subject.ts";

/** What a start needs to know of the pod at this moment. */
export interface StartContext {
    readonly pod: Pod;
    readonly runtime: PodRuntime;
    readonly handler: string;
    readonly sandbox: SandboxRecord;
    readonly record: PodRecord | undefined;
    /** A start takes its time: what is known so far may be told. */
    readonly slow: () => void;
}

/** The starts of one pod's containers, the first and all later ones: when each is due, and what those that wait are waiting for. */
export class ContainerStarts {
    readonly #deps: WorkerDeps;
    readonly #backoff: Backoff;
    readonly #messages: ExitMessages;
    readonly #waiting = new Map<string, StateWaiting>();
    /** When the engine could not start what it had made. */
    readonly #refusedMs = new Map<string, number>();

    constructor(deps: WorkerDeps, messages: ExitMessages) {
        this.#deps = deps;
        this.#messages = messages;
        this.#backoff = new Backoff(deps.clock);
    }

    /** By container name. */
    get waiting(): ReadonlyMap<string, StateWaiting> {
        return this.#waiting;
    }

    /** What failed before may work now: the next start comes at once. */
    forgive(name: string): void {
        this.#backoff.reset(name);
    }

    /** Starts a container when it is due; answers in how many milliseconds to look at it again. */
    async start(context: StartContext, { view, exited }: PlannedStart): Promise<number> {
        const { name } = view.container;
        if (exited?.state.phase === "exited") {
            this.#backoff.restore(name, exited.attempt, exited.state.finishedMs - exited.state.startedMs);
            const waitMs = this.#backoff.remainingMs(name, exited.state.finishedMs);
            if (waitMs > 0) {
                this.#crashLoop(context.pod, view, exited);
                return waitMs;
            }
            this.#backoff.next(name);
        }
        const refusedMs = this.#refusedMs.get(name);
        const waitMs = refusedMs === undefined ? 0 : this.#backoff.remainingMs(name, refusedMs);
        if (waitMs > 0) return waitMs;
        const answer = await startContainer(this.#deps, { ...context, view });
        if ("waiting" in answer) {
            this.#waiting.set(name, answer.waiting);
            if (answer.waiting.reason !== "RunContainerError") return answer.retryMs;
            this.#backoff.next(name);
            this.#refusedMs.set(name, this.#deps.clock.nowMs());
            return this.#backoff.delayMs(name);
        }
        this.#refusedMs.delete(name);
        this.#waiting.delete(name);
        // A flow may have ended before its start returned: look again at once.
        return answer.started.state.phase === "exited" ? 0 : Number.POSITIVE_INFINITY;
    }

    #crashLoop(pod: Pod, view: ContainerView, exited: ContainerRecord): void {
        const { name } = view.container;
        const delay = this.#backoff.delayMs(name) / 1000;
        const why = (this.#messages.of(exited) ?? "").trimEnd();
        const inPod = `${pod.metadata.name}_${pod.metadata.namespace}(${pod.metadata.uid})`;
        const message = `back-off ${delay}s restarting failed container=${name} pod=${inPod}${why && `: ${why}`}`;
        this.#waiting.set(name, { reason: "CrashLoopBackOff", message });
        const about = containerSubject(pod, view.container, view.kind);
        const told = `Back-off restarting failed container ${name} in pod ${inPod}`;
        this.#deps.events.record(about, "Warning", "BackOff", told);
    }
}
