// SPDX-License-Identifier: Apache-2.0
import type { TextOp } from "./document-text.ts";

/** One caller's write: all of it or none. */
export type Batch = readonly TextOp[];

interface Waiting {
    readonly batch: Batch;
    readonly resolve: () => void;
    readonly reject: (error: unknown) => void;
}

/**
 * Group commit: batches that arrive while one commit is on its way to the disk go together in the next, so that many
 * writers share one flush. When a group fails its batches are tried one by one: each gets its own answer.
 */
export class CommitQueue {
    readonly #commit: (batches: readonly Batch[]) => void | Promise<void>;
    #waiting: Waiting[] = [];
    #tasks: (() => Promise<void>)[] = [];
    #running: Promise<void> | undefined;

    /** @param commit makes the batches durable and visible, or changes nothing and rejects */
    constructor(commit: (batches: readonly Batch[]) => void | Promise<void>) {
        this.#commit = commit;
    }

    push(batch: Batch): Promise<void> {
        return new Promise((resolve, reject) => {
            this.#waiting.push({ batch, resolve, reject });
            this.#running ??= this.#run();
        });
    }

    /** Runs a task while no commit is under way. */
    exclusive<T>(task: () => Promise<T>): Promise<T> {
        return new Promise((resolve, reject) => {
            this.#tasks.push(() => task().then(resolve, reject));
            this.#running ??= this.#run();
        });
    }

    /** Resolves when everything that was asked for up to now has its answer. */
    async drain(): Promise<void> {
        while (this.#running !== undefined) await this.#running;
    }

    async #run(): Promise<void> {
        // The rest of this turn of the event loop may still add batches to the first group.
        await new Promise<void>((resolve) => setImmediate(resolve));
        while (this.#waiting.length > 0 || this.#tasks.length > 0) {
            const task = this.#tasks.shift();
            if (task !== undefined) {
                await task();
                continue;
            }
            const group = this.#waiting;
            this.#waiting = [];
            if (!(await this.#try(group, group.length === 1))) for (const one of group) await this.#try([one], true);
        }
        this.#running = undefined;
    }

    async #try(group: readonly Waiting[], last: boolean): Promise<boolean> {
        try {
            await this.#commit(group.map((waiting) => waiting.batch));
        } catch (error) {
            if (last) for (const waiting of group) waiting.reject(error);
            return last;
        }
        for (const waiting of group) waiting.resolve();
        return true;
    }
}
