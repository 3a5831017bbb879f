// SPDX-License-Identifier: Apache-2.0
import { sleep, type Timer } from "../../core/clock.ts";
import type { Ports } from "../../core/component.ts";
import { errorText } from "../../core/errors/redge-error.ts";

export interface WorkQueueOptions {
    readonly workers: number;
    /** Wait after a failure before the workers that failed meanwhile go on. */
    readonly retryMs: number;
    /** How long `putLater` may wait. */
    readonly delayMs: number;
    /** What is worked on, for the log. */
    readonly what: string;
}

export interface Closing {
    readonly withinMs: number;
}

/** Background work by key: the newest job of a key replaces a waiting one, and one key is never worked on twice at once. */
export class WorkQueue {
    readonly #ports: Ports;
    readonly #options: WorkQueueOptions;
    readonly #waiting = new Map<string, () => Promise<void>>();
    readonly #running = new Set<string>();
    /** Jobs that wait for company: what changes again meanwhile is worked on once. */
    #delayed = new Map<string, () => Promise<void>>();
    #delay: Timer | undefined;
    readonly #stopping = new AbortController();
    readonly #idle = new Set<() => void>();
    #workers = 0;
    #failing = false;
    #pause: Promise<void> | undefined;

    constructor(ports: Ports, options: WorkQueueOptions) {
        this.#ports = ports;
        this.#options = options;
    }

    get size(): number {
        return this.#waiting.size + this.#running.size + this.#delayed.size;
    }

    has(key: string): boolean {
        return this.#waiting.has(key) || this.#running.has(key) || this.#delayed.has(key);
    }

    /** As `put`, within `delayMs`. */
    putLater(key: string, job: () => Promise<void>): void {
        if (this.#stopping.signal.aborted) return;
        this.#delayed.set(key, job);
        this.#delay ??= this.#ports.clock.after(this.#options.delayMs, () => this.#undelay());
    }

    put(key: string, job: () => Promise<void>): void {
        if (this.#stopping.signal.aborted) return;
        this.#delayed.delete(key);
        this.#waiting.set(key, job);
        if (this.#workers >= this.#options.workers) return;
        this.#workers += 1;
        void this.#work();
    }

    /** Waits for what is queued, then gives up the rest. */
    async stop({ withinMs }: Closing): Promise<void> {
        this.#undelay();
        if (this.size > 0) {
            await new Promise<void>((resolve) => {
                const timer = this.#ports.clock.after(withinMs, resolve);
                this.#idle.add(() => {
                    timer.cancel();
                    resolve();
                });
            });
        }
        this.#waiting.clear();
        this.#stopping.abort();
    }

    #undelay(): void {
        this.#delay?.cancel();
        this.#delay = undefined;
        const jobs = this.#delayed;
        this.#delayed = new Map();
        for (const [key, job] of jobs) this.put(key, job);
    }

    async #work(): Promise<void> {
        for (let next = this.#take(); next !== undefined; next = this.#take()) {
            const [key, job] = next;
            this.#running.add(key);
            try {
                await job();
                this.#failing = false;
            } catch (thrown) {
                await this.#failed(key, job, thrown);
            } finally {
                this.#running.delete(key);
            }
        }
        this.#workers -= 1;
        if (this.size === 0) for (const resolve of this.#idle) resolve();
    }

    #take(): [string, () => Promise<void>] | undefined {
        for (const [key, job] of this.#waiting) {
            if (this.#running.has(key)) continue;
            this.#waiting.delete(key);
            return [key, job];
        }
        return undefined;
    }

    async #failed(key: string, job: () => Promise<void>, thrown: unknown): Promise<void> {
        if (!this.#failing) {
            this.#failing = true;
            this.#ports.log.warn(`${this.#options.what} cannot be written, trying again`, {
                reason: errorText(thrown),
            });
        }
        if (!this.#waiting.has(key) && !this.#stopping.signal.aborted) this.#waiting.set(key, job);
        // One wait for all: what fails, fails for every worker.
        this.#pause ??= sleep(this.#ports.clock, this.#options.retryMs, this.#stopping.signal).then(() => {
            this.#pause = undefined;
        });
        await this.#pause;
    }
}
