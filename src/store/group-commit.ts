// SPDX-License-Identifier: Apache-2.0
import type { DocumentStore, StoreOp } from "./store.ts";

/**
 * Gathers writes while one is under way, so that many small changes cost one flush of the disk. A key written several
 * times between two flushes is written once, as it then is.
 */
export class GroupCommit {
    readonly #store: DocumentStore;
    #ops = new Map<string, (() => unknown) | undefined>();
    #next: Promise<void> | undefined;
    #running: Promise<void> = Promise.resolve();

    constructor(store: DocumentStore) {
        this.#store = store;
    }

    /** `value` is asked for when the batch is written. */
    put(key: string, value: () => unknown): void {
        this.#ops.delete(key);
        this.#ops.set(key, value);
    }

    delete(key: string): void {
        this.#ops.delete(key);
        this.#ops.set(key, undefined);
    }

    /** Resolves when everything put so far is on disk. @throws what the store throws; that batch is then not written */
    commit(): Promise<void> {
        if (this.#ops.size === 0) return this.#running;
        this.#next ??= this.#running.catch(() => {}).then(() => this.#flush());
        return this.#next;
    }

    #flush(): Promise<void> {
        const ops: StoreOp[] = [...this.#ops].map(([key, value]) =>
            value === undefined ? { op: "delete", key } : { op: "put", key, value: value() },
        );
        this.#ops = new Map();
        this.#next = undefined;
        this.#running = this.#store.write(ops);
        return this.#running;
    }
}
