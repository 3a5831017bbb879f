// SPDX-License-Identifier: Apache-2.0
import type { Clock, Timer } from "../../../core/clock.ts";
import type { Probe } from "../podspec/types.ts";

/** One try: undefined when it succeeded, else why not. */
export type ProbeTry = (probe: Probe, timeoutMs: number) => Promise<string | undefined>;

export interface ProbeOutcome {
    /** Why this try failed; undefined when it succeeded. */
    readonly failure: string | undefined;
    /** True when as many tries in a row ended alike as the probe asks for. */
    readonly decided: boolean;
}

/** Runs one probe at its period and tells how each try ended. */
export class ProbeLoop {
    readonly #probe: Probe;
    readonly #clock: Clock;
    readonly #attempt: ProbeTry;
    readonly #told: (outcome: ProbeOutcome) => void;
    #timer: Timer | undefined;
    #streak = 0;
    #lastOk: boolean | undefined;
    #stopped = false;

    constructor(probe: Probe, clock: Clock, attempt: ProbeTry, told: (outcome: ProbeOutcome) => void) {
        this.#probe = probe;
        this.#clock = clock;
        this.#attempt = attempt;
        this.#told = told;
    }

    /** `spreadMs` delays the first try, so that a restarted gateway does not probe everything at once. */
    start(spreadMs: number): void {
        this.#timer = this.#clock.after((this.#probe.initialDelaySeconds ?? 0) * 1000 + spreadMs, () => this.#tick());
    }

    stop(): void {
        this.#stopped = true;
        this.#timer?.cancel();
    }

    #tick(): void {
        const timeoutMs = (this.#probe.timeoutSeconds ?? 1) * 1000;
        this.#attempt(this.#probe, timeoutMs).then(
            (failure) => this.#result(failure),
            (thrown: unknown) => this.#result(thrown instanceof Error ? thrown.message : String(thrown)),
        );
    }

    #result(failure: string | undefined): void {
        if (this.#stopped) return;
        const ok = failure === undefined;
        this.#streak = ok === this.#lastOk ? this.#streak + 1 : 1;
        this.#lastOk = ok;
        const threshold = ok ? (this.#probe.successThreshold ?? 1) : (this.#probe.failureThreshold ?? 3);
        this.#timer = this.#clock.after((this.#probe.periodSeconds ?? 10) * 1000, () => this.#tick());
        this.#told({ failure, decided: this.#streak >= threshold });
    }
}
