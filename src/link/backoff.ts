// SPDX-License-Identifier: Apache-2.0

export interface BackoffLimits {
    readonly firstMs: number;
    readonly maxMs: number;
}

/** Slow enough that an outage of seconds is noticed to be over within a second or two. */
const GROWTH = 1.6;

/** Jittered exponential back-off: the n-th wait is uniform in [d/2, d] with d = first * 1.6^n, at most max. */
export class Backoff {
    readonly #limits: BackoffLimits;
    readonly #random: () => number;
    #attempt = 0;

    constructor(limits: BackoffLimits, random: () => number) {
        this.#limits = limits;
        this.#random = random;
    }

    next(): number {
        const ceilingMs = Math.min(this.#limits.maxMs, this.#limits.firstMs * GROWTH ** Math.min(this.#attempt, 60));
        this.#attempt += 1;
        return ceilingMs / 2 + (this.#random() * ceilingMs) / 2;
    }

    reset(): void {
        this.#attempt = 0;
    }
}
