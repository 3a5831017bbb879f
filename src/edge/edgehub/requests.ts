// SPDX-License-Identifier: Apache-2.0
import type { Clock, Timer } from "../../core/clock.ts";
import { RedgeError } from "../../core/errors/redge-error.ts";
import { type Envelope, Group, Operation, Source } from "../../envelope/envelope.ts";

export interface RequestOptions {
    readonly timeoutMs: number;
    readonly limit: number;
}

interface Waiting {
    readonly request: Envelope;
    readonly timer: Timer;
    sent: boolean;
}

const ASKING: ReadonlySet<string> = new Set([
    Operation.query,
    Operation.insert,
    Operation.update,
    Operation.patch,
    Operation.delete,
    // What MetaServer sends (wire protocol, section 5.8).
    "null",
]);

/** True for messages whose sender waits for the response; ask `durableClass` first. */
export function isRequest({ header, route }: Envelope): boolean {
    if (header.parent_msg_id !== undefined || route.group === Group.user || route.source === Source.twin) return false;
    return ASKING.has(route.operation);
}

/**
 * Requests that wait for the cloud's answer. None outlives its timeout; while the link is down they wait in order, and
 * one that may have been carried out when the link broke is answered at once, except queries, which are asked again.
 */
export class Requests {
    readonly #clock: Clock;
    readonly #options: RequestOptions;
    readonly #failed: (request: Envelope, reason: string) => void;
    readonly #waiting = new Map<string, Waiting>();

    constructor(clock: Clock, options: RequestOptions, failed: (request: Envelope, reason: string) => void) {
        this.#clock = clock;
        this.#options = options;
        this.#failed = failed;
    }

    get size(): number {
        return this.#waiting.size;
    }

    /** @throws REDGE_LINK_QUEUE_FULL */
    add(request: Envelope): void {
        const id = request.header.msg_id;
        this.#take(id);
        if (this.#waiting.size >= this.#options.limit) {
            throw new RedgeError("REDGE_LINK_QUEUE_FULL", { limit: this.#options.limit });
        }
        const timer = this.#clock.after(this.#options.timeoutMs, () => {
            const sent = this.#take(id)?.sent;
            this.#failed(request, sent ? "the cloud did not answer in time" : "not connected to the cloud");
        });
        this.#waiting.set(id, { request, timer, sent: false });
    }

    /** What has not been sent yet, in order; it counts as sent from now on. */
    *unsent(): Iterable<Envelope> {
        for (const waiting of this.#waiting.values()) {
            if (waiting.sent) continue;
            waiting.sent = true;
            yield waiting.request;
        }
    }

    /** An answer came. False when nobody waits for it (any more). */
    answered(parentId: string): boolean {
        return this.#take(parentId) !== undefined;
    }

    linkLost(): void {
        for (const [id, waiting] of [...this.#waiting]) {
            if (!waiting.sent) continue;
            if (waiting.request.route.operation === Operation.query) {
                waiting.sent = false;
            } else {
                this.#take(id);
                this.#failed(waiting.request, "the link broke before the cloud answered");
            }
        }
    }

    stop(): void {
        for (const { timer } of this.#waiting.values()) timer.cancel();
        this.#waiting.clear();
    }

    #take(id: string): Waiting | undefined {
        const waiting = this.#waiting.get(id);
        if (waiting === undefined) return undefined;
        waiting.timer.cancel();
        this.#waiting.delete(id);
        return waiting;
    }
}
