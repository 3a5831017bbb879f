// SPDX-License-Identifier: Apache-2.0
import type { Pod, StateWaiting } from "../podspec/types.ts";
import { podName } from "../podspec/types.ts";
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
}

/** The starts of one pod's containers, the first and all later ones: when each is due, and what those that wait are waiting for. */
export class ContainerStarts {
    readonly #deps: WorkerDeps;
    readonly #backoff: Backoff;
    readonly #messages: ExitMessages;
    readonly #waiting = new Map<string, StateWaiting>();

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
        const answer = await startContainer(this.#deps, { ...context, view });
        if ("waiting" in answer) {
            this.#waiting.set(name, answer.waiting);
            return answer.retryMs;
        }
        this.#waiting.delete(name);
        // A flow may have ended before its start returned: look again at once.
        return answer.started.state.phase === "exited" ? 0 : Number.POSITIVE_INFINITY;
    }

    #crashLoop(pod: Pod, view: ContainerView, exited: ContainerRecord): void {
        const { name } = view.container;
        const delay = this.#backoff.delayMs(name) / 1000;
        const why = this.#messages.of(exited) ?? "";
        const message = `back-off ${delay}s restarting failed container=${name} pod=${podName(pod)}${why && `: ${why}`}`;
        this.#waiting.set(name, { reason: "CrashLoopBackOff", message });
        const about = containerSubject(pod, view.container, view.kind);
        this.#deps.events.record(about, "Warning", "BackOff", `Back-off restarting failed container ${name}`);
    }
}
