// SPDX-License-Identifier: Apache-2.0

/** What CloudHub makes of a durable message that a Redge edge sent, perhaps again. */
export type Verdict =
    /** New, or handed over so long ago without an answer that it is handed over again. */
    | "hand over"
    /** Handed over, the answer is still to come. */
    | "wait"
    /** Answered before: that answer was lost on its way, the edge gets another. */
    | "answer again";

/**
 * The durable messages of one node that were handed over, so that a repeat after a reconnect is not applied twice.
 * An edge repeats only what is in its window, so twice the window is enough to remember.
 */
export class HandedOver {
    readonly #limit: number;
    readonly #patienceMs: number;
    readonly #entries = new Map<string, { atMs: number; answered: boolean }>();

    constructor(window: number, patienceMs: number) {
        this.#limit = window * 2;
        this.#patienceMs = patienceMs;
    }

    see(id: string, nowMs: number): Verdict {
        const entry = this.#entries.get(id);
        if (entry?.answered === true) return "answer again";
        if (entry !== undefined && nowMs - entry.atMs < this.#patienceMs) return "wait";
        this.#entries.delete(id);
        this.#entries.set(id, { atMs: nowMs, answered: false });
        if (this.#entries.size > this.#limit) {
            for (const oldest of this.#entries.keys()) {
                this.#entries.delete(oldest);
                break;
            }
        }
        return "hand over";
    }

    answered(id: string): void {
        const entry = this.#entries.get(id);
        if (entry !== undefined) entry.answered = true;
    }
}
