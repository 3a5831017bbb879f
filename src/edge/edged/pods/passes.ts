// SPDX-License-Identifier: Apache-2.0
import type { Clock, Timer } from "../../../core/clock.ts";

/**
 * Passes over one thing, never two at once: a wake during a pass brings another one after it. `pass` answers in how
 * many milliseconds to look again if nothing wakes it before, and must not reject.
 */
export class Passes {
    readonly #clock: Clock;
    readonly #pass: () => Promise<number>;
    #due = false;
    #ended = false;
    #running: Promise<void> | undefined;
    #timer: Timer | undefined;

    constructor(clock: Clock, pass: () => Promise<number>) {
        this.#clock = clock;
        this.#pass = pass;
    }

    /** No pass is under way and none is due at once. */
    get idle(): boolean {
        return this.#running === undefined && !this.#due;
    }

    /** There will be no other pass. */
    get ended(): boolean {
        return this.#ended;
    }

    wake(): void {
        if (this.#ended) return;
        this.#due = true;
        this.#running ??= this.#run().finally(() => {
            this.#running = undefined;
            if (this.#due) this.wake();
        });
    }

    /** The pass under way, if there is one, is the last. */
    end(): void {
        this.#ended = true;
        this.#timer?.cancel();
    }

    /** Ends, and resolves when the last pass is through. */
    async stop(): Promise<void> {
        this.end();
        await this.#running;
    }

    async #run(): Promise<void> {
        while (this.#due && !this.#ended) {
            this.#due = false;
            this.#timer?.cancel();
            const againMs = await this.#pass();
            if (!this.#ended) this.#timer = this.#clock.after(againMs, () => this.wake());
        }
    }
}
