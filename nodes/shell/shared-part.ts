// SPDX-License-Identifier: Apache-2.0
import { type Clock, sleep } from "../../src/core/clock.ts";
import type { RedNode } from "./red.ts";

/** Something a config node hands out, and how to put it away. */
export interface Opened<T> {
    readonly value: T;
    readonly close: () => Promise<void>;
}

/** How long a closing config node waits for nodes that are still closing: Node-RED closes both at the same time. */
const USERS_LEAVE_MS = 2500;

/** One resource for many nodes: opened for the first, closed after the last. A failed opening is tried again by the next. */
export class SharedPart<T> {
    readonly #users = new Map<string, RedNode>();
    readonly #open: () => Promise<Opened<T>>;
    #opened: Promise<Opened<T>> | undefined;
    #closing: Promise<void> = Promise.resolve();
    #left: (() => void) | undefined;

    constructor(open: () => Promise<Opened<T>>) {
        this.#open = open;
    }

    get users(): Iterable<RedNode> {
        return this.#users.values();
    }

    async acquire(user: RedNode): Promise<T> {
        this.#users.set(user.id, user);
        if (this.#opened === undefined) {
            const opened = this.#closing.then(() => this.#open());
            this.#opened = opened;
            opened.catch(() => {
                if (this.#opened === opened) this.#opened = undefined;
            });
        }
        return (await this.#opened).value;
    }

    /** The part while it is open; asking does not open it. */
    async current(): Promise<T | undefined> {
        return this.#opened?.then(
            ({ value }) => value,
            () => undefined, // Those who asked for it were told why.
        );
    }

    async release(user: RedNode): Promise<void> {
        // A restarted node has the id of its predecessor: only the one that is registered counts.
        if (this.#users.get(user.id) !== user) return;
        this.#users.delete(user.id);
        if (this.#users.size > 0) return;
        this.#left?.();
        await this.#close();
    }

    /** For the close of the config node itself. */
    async shut(clock: Clock): Promise<void> {
        if (this.#users.size > 0) {
            const gone = new AbortController();
            this.#left = () => gone.abort();
            await sleep(clock, USERS_LEAVE_MS, gone.signal);
        }
        await this.#close();
    }

    #close(): Promise<void> {
        const opened = this.#opened;
        this.#opened = undefined;
        if (opened !== undefined) {
            this.#closing = opened.then(
                ({ close }) => close(),
                () => {}, // It never opened, and those who asked were told why.
            );
        }
        return this.#closing;
    }
}
