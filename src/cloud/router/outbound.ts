// SPDX-License-Identifier: Apache-2.0
import { errorText } from "../../core/errors/redge-error.ts";
import { KeyedQueue } from "../../core/keyed-queue.ts";
import { post } from "./call.ts";
import type { Route } from "./route.ts";

/** So many messages of one rule wait for its address at most; what comes beyond is counted as failed. */
const WAITING_MOST = 1000;

/** Carries messages of edge nodes out to the addresses of rules: those of one rule one after the other, in their order. */
export class Outbound {
    readonly #done: (rule: Route, failure: string | undefined) => void;
    readonly #queue = new KeyedQueue();
    readonly #waiting = new Map<string, number>();

    constructor(done: (rule: Route, failure: string | undefined) => void) {
        this.#done = done;
    }

    /** What the other end answered, or why there is no answer. */
    async post(rule: Route, url: string, body: string | Buffer, signal: AbortSignal): Promise<string> {
        const { origin } = new URL(url);
        const waiting = this.#waiting.get(rule.key) ?? 0;
        if (waiting >= WAITING_MOST) return this.#failed(rule, `${waiting} messages wait for ${origin}`);
        this.#waiting.set(rule.key, waiting + 1);
        try {
            const answer = await this.#queue.run(rule.key, () => post(url, body, signal));
            if (answer.status >= 400) return this.#failed(rule, `${origin} answered ${answer.status}`);
            this.#done(rule, undefined);
            return answer.body;
        } catch (thrown) {
            return this.#failed(rule, errorText(thrown));
        } finally {
            const left = (this.#waiting.get(rule.key) ?? 1) - 1;
            if (left > 0) this.#waiting.set(rule.key, left);
            else this.#waiting.delete(rule.key);
        }
    }

    #failed(rule: Route, reason: string): string {
        this.#done(rule, reason);
        return reason;
    }
}
