// SPDX-License-Identifier: Apache-2.0
import type { Clock, Timer } from "../../../core/clock.ts";
import type { Slave } from "./slave.ts";

export interface ProberParts {
    readonly clock: Clock;
    readonly random: () => number;
    /** How many slaves are probed at once; a serial line has one voice. */
    readonly width: number;
    /** Resolves true when the slave lives (or is no longer ours). */
    readonly probe: (slave: Slave) => Promise<boolean>;
    /** A slave that stayed silent among many has answered among `width`: the server takes no more at once. */
    readonly narrowed: (width: number) => void;
}

const FIRST_WAIT_MS = 1000;
const LAST_WAIT_MS = 30_000;
/** Silent slaves may take this share of a line's time: after a probe of one second, nine seconds of rest. */
const SHARE = 0.1;

/** Asks silent slaves now and then whether they live, together in bursts, with growing pauses for each. */
export class Prober {
    readonly #parts: ProberParts;
    readonly #silent = new Map<Slave, { waitMs: number; dueMs: number }>();
    #notBeforeMs = 0;
    #timer: Timer | undefined;
    #probing = false;
    #stopped = false;
    #size: number;

    constructor(parts: ProberParts) {
        this.#parts = parts;
        this.#size = parts.width;
    }

    add(slave: Slave): void {
        if (this.#silent.has(slave)) return;
        const waitMs = this.#jitter(FIRST_WAIT_MS);
        this.#silent.set(slave, { waitMs: FIRST_WAIT_MS, dueMs: this.#parts.clock.monotonicMs() + waitMs });
        this.#arm();
    }

    remove(slave: Slave): void {
        this.#silent.delete(slave);
    }

    stop(): void {
        this.#stopped = true;
        this.#timer?.cancel();
        this.#silent.clear();
    }

    #arm(): void {
        this.#timer?.cancel();
        this.#timer = undefined;
        if (this.#stopped || this.#probing || this.#silent.size === 0) return;
        const nowMs = this.#parts.clock.monotonicMs();
        const earliestMs = Math.min(...[...this.#silent.values()].map(({ dueMs }) => dueMs));
        const atMs = Math.max(earliestMs, this.#notBeforeMs, nowMs);
        this.#timer = this.#parts.clock.after(atMs - nowMs, () => void this.#burst());
    }

    async #burst(): Promise<void> {
        const { clock, width, probe, narrowed } = this.#parts;
        const startedMs = clock.monotonicMs();
        this.#probing = true;
        // Those nearly due go along: one burst disturbs less than two.
        const due = [...this.#silent]
            .filter(([, { dueMs, waitMs }]) => dueMs <= startedMs + waitMs / 2)
            .sort(([, a], [, b]) => a.dueMs - b.dueMs)
            .slice(0, this.#size);
        const answers = await Promise.all(
            due.map(async ([slave, wait]) => {
                const lives = await probe(slave);
                if (lives) this.#silent.delete(slave);
                wait.waitMs = Math.min(wait.waitMs * 2, LAST_WAIT_MS);
                wait.dueMs = clock.monotonicMs() + this.#jitter(wait.waitMs);
                return lives;
            }),
        );
        if (answers.includes(true) && due.length < width && this.#size < width) narrowed(this.#size);
        // All silent: the server may choke on so many at once, so fewer next time, and after one alone all over again.
        if (!answers.includes(true)) this.#size = this.#size === 1 ? width : Math.ceil(this.#size / 2);
        this.#probing = false;
        const tookMs = clock.monotonicMs() - startedMs;
        this.#notBeforeMs = clock.monotonicMs() + tookMs * (1 / SHARE - 1);
        this.#arm();
    }

    #jitter(waitMs: number): number {
        return waitMs * (0.75 + this.#parts.random() / 2);
    }
}
