// SPDX-License-Identifier: Apache-2.0
import type { Envelope } from "../../envelope/envelope.ts";

/** What to do with a push that may be a repeat. */
export type Repeat = "dispatch" | "ignore" | Envelope;

interface Seen {
    readonly atMs: number;
    acknowledgement: Envelope | undefined;
}

/** Pushes that came lately, so that a repeat is not applied twice and gets the acknowledgement again. */
export class Received {
    readonly #limit: number;
    readonly #patienceMs: number;
    readonly #seen = new Map<string, Seen>();

    /** `patienceMs`: a push whose acknowledgement does not come in this time is dispatched again when repeated. */
    constructor(limit: number, patienceMs: number) {
        this.#limit = limit;
        this.#patienceMs = patienceMs;
    }

    /** "ignore": it is being worked on. An envelope: it was acknowledged with that. */
    see(id: string, nowMs: number): Repeat {
        const seen = this.#seen.get(id);
        if (seen?.acknowledgement !== undefined) return seen.acknowledgement;
        if (seen !== undefined && nowMs - seen.atMs < this.#patienceMs) return "ignore";
        this.#seen.delete(id);
        this.#seen.set(id, { atMs: nowMs, acknowledgement: undefined });
        if (this.#seen.size > this.#limit) {
            for (const oldest of this.#seen.keys()) {
                this.#seen.delete(oldest);
                break;
            }
        }
        return "dispatch";
    }

    /** An answer goes up. One that reports a failure makes a repeat count as new. */
    answered(parentId: string, acknowledgement: Envelope, failed: boolean): void {
        const seen = this.#seen.get(parentId);
        if (seen === undefined) return;
        if (failed) this.#seen.delete(parentId);
        else seen.acknowledgement = acknowledgement;
    }
}
