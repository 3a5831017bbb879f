// SPDX-License-Identifier: Apache-2.0
import type { Clock, Timer } from "../../core/clock.ts";

export interface CoalescingWriterOptions {
    readonly clock: Clock;
    /** Time between two writes of one key. */
    readonly intervalMs: number;
    /** How many writes are under way at a time. */
    readonly parallel: number;
    /** Writes the newest state of the key; a rejection is tried again later, with what is newest then. */
    readonly write: (key: string) => Promise<void>;
    readonly onFailure: (key: string, thrown: unknown) => void;
}

const RETRY_FIRST_MS = 500;
const RETRY_MOST_MS = 15_000;

interface Slot {
    dirty: boolean;
    /** Waiting for its time, for its turn, or being written. */
    busy: boolean;
    notBeforeMs: number;
    failures: number;
    timer: Timer | undefined;
}

/** Writes what changed, each key at most once in an interval, and slower when the API is slow: never a backlog. */
export class CoalescingWriter {
    readonly #options: CoalescingWriterOptions;
    readonly #slots = new Map<string, Slot>();
    #ready: string[] = [];
    #running = 0;
    #stopped = false;

    constructor(options: CoalescingWriterOptions) {
        this.#options = options;
    }

    /** The key has something new to write. `firstAfterMs`: its first write waits so long for more to say. */
    mark(key: string, firstAfterMs = 0): void {
        if (this.#stopped) return;
        let slot = this.#slots.get(key);
        if (slot === undefined) {
            const notBeforeMs = firstAfterMs > 0 ? this.#options.clock.monotonicMs() + firstAfterMs : 0;
            slot = { dirty: false, busy: false, notBeforeMs, failures: 0, timer: undefined };
            this.#slots.set(key, slot);
        }
        slot.dirty = true;
        if (!slot.busy) this.#wait(key, slot);
    }

    forget(key: string): void {
        this.#slots.get(key)?.timer?.cancel();
        this.#slots.delete(key);
    }

    /** Keys that are waiting or being written. */
    get depth(): number {
        let depth = 0;
        for (const slot of this.#slots.values()) if (slot.busy) depth += 1;
        return depth;
    }

    /** Ends what waits; what is being written ends by itself. */
    stop(): void {
        this.#stopped = true;
        for (const slot of this.#slots.values()) slot.timer?.cancel();
        this.#slots.clear();
        this.#ready = [];
    }

    #wait(key: string, slot: Slot): void {
        slot.busy = true;
        const delayMs = slot.notBeforeMs - this.#options.clock.monotonicMs();
        if (delayMs <= 0) {
            this.#enqueue(key);
            return;
        }
        slot.timer = this.#options.clock.after(delayMs, () => {
            slot.timer = undefined;
            this.#enqueue(key);
        });
    }

    #enqueue(key: string): void {
        this.#ready.push(key);
        this.#pump();
    }

    #pump(): void {
        while (this.#running < this.#options.parallel) {
            const key = this.#ready.shift();
            if (key === undefined) return;
            const slot = this.#slots.get(key);
            if (slot === undefined) continue;
            this.#running += 1;
            void this.#write(key, slot).finally(() => {
                this.#running -= 1;
                this.#pump();
            });
        }
    }

    async #write(key: string, slot: Slot): Promise<void> {
        const { clock, intervalMs, write, onFailure } = this.#options;
        slot.dirty = false;
        slot.notBeforeMs = clock.monotonicMs() + intervalMs;
        try {
            await write(key);
            slot.failures = 0;
        } catch (thrown) {
            slot.dirty = true;
            slot.notBeforeMs = clock.monotonicMs() + Math.min(RETRY_FIRST_MS * 2 ** slot.failures, RETRY_MOST_MS);
            slot.failures += 1;
            if (!this.#stopped) onFailure(key, thrown);
        }
        slot.busy = false;
        if (slot.dirty && this.#slots.get(key) === slot) this.#wait(key, slot);
    }
}
