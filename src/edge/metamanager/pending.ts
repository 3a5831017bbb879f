// SPDX-License-Identifier: Apache-2.0
import type { Clock, Timer } from "../../core/clock.ts";
import type { Envelope } from "../../envelope/envelope.ts";

/** Questions that wait for an answer, by the msg_id they were asked with. */
export class PendingRequests {
    readonly #clock: Clock;
    readonly #timeoutMs: number;
    readonly #waiting = new Map<string, { readonly request: Envelope; readonly timer: Timer }>();

    constructor(clock: Clock, timeoutMs: number) {
        this.#clock = clock;
        this.#timeoutMs = timeoutMs;
    }

    /** Remembers `request`, asked as `askedId`; `expired` runs when nobody answered in time. */
    add(askedId: string, request: Envelope, expired: () => void): void {
        const timer = this.#clock.after(this.#timeoutMs, () => {
            this.#waiting.delete(askedId);
            expired();
        });
        this.#waiting.set(askedId, { request, timer });
    }

    /** The request that this id answers, once. */
    take(askedId: string): Envelope | undefined {
        const entry = this.#waiting.get(askedId);
        if (entry === undefined) return undefined;
        entry.timer.cancel();
        this.#waiting.delete(askedId);
        return entry.request;
    }

    /** Everything still waiting, forgotten here. */
    drain(): readonly Envelope[] {
        const requests = [...this.#waiting.values()].map(({ request, timer }) => {
            timer.cancel();
            return request;
        });
        this.#waiting.clear();
        return requests;
    }
}
