// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "../../core/clock.ts";

/** A token bucket of one second's worth of messages, for one edge node. */
export class Throttle {
    readonly #clock: Clock;
    readonly #perSecond: number;
    #tokens: number;
    #atMs: number;

    constructor(clock: Clock, perSecond: number) {
        this.#clock = clock;
        this.#perSecond = perSecond;
        this.#tokens = perSecond;
        this.#atMs = clock.monotonicMs();
    }

    /** Takes one message; answers how long the node has to be held back now, 0 for not at all. */
    take(): number {
        const nowMs = this.#clock.monotonicMs();
        const earned = ((nowMs - this.#atMs) * this.#perSecond) / 1000;
        this.#tokens = Math.min(this.#perSecond, this.#tokens + earned) - 1;
        this.#atMs = nowMs;
        return this.#tokens >= 0 ? 0 : Math.ceil((-this.#tokens * 1000) / this.#perSecond) + 10;
    }
}
