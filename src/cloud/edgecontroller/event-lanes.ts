// SPDX-License-Identifier: Apache-2.0
import { type Clock, sleep } from "../../core/clock.ts";
import { isRedgeError } from "../../core/errors/redge-error.ts";
import { KeyedQueue } from "../../core/keyed-queue.ts";
import { statusOf } from "./replies.ts";
import type { Request } from "./request.ts";

const RETRY_MS = 500;

/**
 * The events out of each Redge edge's outbox, written in the order they came in. While the API is away the one whose turn
 * it is waits for it, and those behind it with it; the edge's window bounds how many.
 */
export class EventLanes {
    readonly #clock: Clock;
    /** False when the answer would find nobody any more: then the edge sends the event again, perhaps to another cloud. */
    readonly #listens: (node: string) => boolean;
    readonly #queue = new KeyedQueue();
    readonly #waiting = new Set<string>();
    readonly #stopping = new AbortController();

    constructor(clock: Clock, listens: (node: string) => boolean) {
        this.#clock = clock;
        this.#listens = listens;
    }

    /** Resolves or rejects as `write` does in the end; at once for a repeat of one that still waits. */
    async run(request: Request, write: () => Promise<void>): Promise<void> {
        const id = `${request.node}/${request.envelope.header.msg_id}`;
        if (this.#waiting.has(id)) return;
        this.#waiting.add(id);
        try {
            await this.#queue.run(request.node, write);
        } finally {
            this.#waiting.delete(id);
        }
    }

    /** Runs `write` again for as long as the API is away and the node is there. */
    async insist<T>({ node }: Request, write: () => Promise<T>): Promise<T> {
        for (;;) {
            try {
                return await write();
            } catch (thrown) {
                if (!isAway(thrown) || this.#stopping.signal.aborted || !this.#listens(node)) throw thrown;
            }
            await sleep(this.#clock, RETRY_MS, this.#stopping.signal);
        }
    }

    /** Whoever waits tries once more and gives up. */
    async stop(): Promise<void> {
        this.#stopping.abort();
        await this.#queue.idle();
    }
}

/** Nobody answered, or only somebody on the way: another event would fare no better. */
function isAway(thrown: unknown): boolean {
    return isRedgeError(thrown, "REDGE_KUBE_UNREACHABLE") || statusOf(thrown).code === 503;
}
