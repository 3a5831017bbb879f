// SPDX-License-Identifier: Apache-2.0
import type { Pod } from "../podspec/types.ts";
import type { PodRecord } from "../runtimes/runtime.ts";
import type { WorkerDeps } from "./deps.ts";
import { deadlineMs } from "./status.ts";
import { podSubject } from "./subject.ts";

/** Why a pod must not run: reason and message of its status. */
export interface PodFailure {
    readonly reason: string;
    readonly message: string;
}

type VerdictDeps = Pick<WorkerDeps, "admit" | "clock" | "events">;

/**
 * Whether one pod may run here: what admission, its activeDeadlineSeconds and eviction say. A no is told by an event, once,
 * and is for good.
 */
export class Verdict {
    readonly #deps: VerdictDeps;
    #admitted = false;
    #failure: PodFailure | undefined;
    #graceSeconds: number | undefined;
    #evicted: (() => void) | undefined;

    constructor(deps: VerdictDeps) {
        this.#deps = deps;
    }

    get failure(): PodFailure | undefined {
        return this.#failure;
    }

    /** Seconds to end in, where it is not the pod that says. */
    get graceSeconds(): number | undefined {
        return this.#graceSeconds;
    }

    /** Somebody waits for `gone`. */
    get evicting(): boolean {
        return this.#evicted !== undefined;
    }

    /** `record`: what the runtime has of it; a pod that runs already was admitted before. */
    allows(pod: Pod, record: PodRecord | undefined): boolean {
        if (!this.#admitted) this.#admit(pod, record);
        if (this.#failure === undefined && deadlineMs(pod, this.#deps.clock.nowMs()) <= 0) {
            this.#failure = {
                reason: "DeadlineExceeded",
                message: "Pod was active on the node longer than the specified deadline",
            };
            this.#deps.events.record(podSubject(pod), "Normal", this.#failure.reason, this.#failure.message);
        }
        return this.#failure === undefined;
    }

    /** Ends the pod for good. Resolves at `gone`, or at once when it was to end already. */
    evict(pod: Pod, failure: PodFailure, graceSeconds: number): Promise<void> {
        if (this.#failure !== undefined) return Promise.resolve();
        this.#admitted = true;
        this.#failure = failure;
        this.#graceSeconds = graceSeconds;
        this.#deps.events.record(podSubject(pod), "Warning", failure.reason, failure.message);
        return new Promise((resolve) => {
            this.#evicted = resolve;
        });
    }

    /** Nothing of the evicted pod is left. */
    gone(): void {
        this.#evicted?.();
        this.#evicted = undefined;
    }

    #admit(pod: Pod, record: PodRecord | undefined): void {
        this.#admitted = true;
        const { phase, reason, message } = pod.status ?? {};
        if (phase === "Failed" && reason !== undefined) {
            // Told before the gateway started anew.
            this.#failure = { reason, message: message ?? "" };
            return;
        }
        if (record !== undefined) return;
        this.#failure = this.#deps.admit(pod);
        if (this.#failure === undefined || phase === "Failed") return;
        this.#deps.events.record(podSubject(pod), "Warning", this.#failure.reason, this.#failure.message);
    }
}
