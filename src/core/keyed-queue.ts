// SPDX-License-Identifier: Apache-2.0

/** Runs jobs of one key strictly one after the other, jobs of different keys side by side. */
export class KeyedQueue {
    readonly #tails = new Map<string, Promise<void>>();

    /** Resolves or rejects as the job does. A failed job does not stop those behind it. */
    run<T>(key: string, job: () => Promise<T>): Promise<T> {
        const before = this.#tails.get(key) ?? Promise.resolve();
        const result = before.then(job, job);
        const tail: Promise<void> = result.then(
            () => this.#forget(key, tail),
            () => this.#forget(key, tail),
        );
        this.#tails.set(key, tail);
        return result;
    }

    /** Keys with a job running or waiting. */
    get busyKeys(): number {
        return this.#tails.size;
    }

    /** Resolves when every job that was there has ended. */
    async idle(): Promise<void> {
        await Promise.all(this.#tails.values());
    }

    #forget(key: string, tail: Promise<void>): void {
        if (this.#tails.get(key) === tail) this.#tails.delete(key);
    }
}
