// SPDX-License-Identifier: Apache-2.0

const FIRST_MS = 1000;
const LAST_MS = 15_000;

/** Delays between attempts: a base doubling from 1 s to 15 s plus up to as much again, so that many do not come at once. */
export class Backoff {
    readonly #random: () => number;
    #failures = 0;

    constructor(random: () => number) {
        this.#random = random;
    }

    /** Attempts that failed since the last success. */
    get failures(): number {
        return this.#failures;
    }

    /** Counts a failure and says how long to wait before the next attempt: 1 to 30 s. */
    nextMs(): number {
        const baseMs = Math.min(LAST_MS, FIRST_MS * 2 ** Math.min(this.#failures, 10));
        this.#failures += 1;
        return baseMs * (1 + this.#random());
    }

    /** Something worked. */
    reset(): void {
        this.#failures = 0;
    }
}
