// SPDX-License-Identifier: Apache-2.0
import type { Timer } from "../../../../core/clock.ts";
import type { Component, Ports } from "../../../../core/component.ts";
import { errorText } from "../../../../core/errors/redge-error.ts";
import { isConflict, isNotFound } from "../../../../kube/client/status-error.ts";

export type WorkQueuePorts = Pick<Ports, "clock" | "log">;

const FIRST_RETRY_MS = 10;
const LAST_RETRY_MS = 60_000;

/**
 * Keys of objects to be looked at, each by one worker at a time and once however often it was added meanwhile. A key
 * whose work failed comes again after 10 ms, doubling up to a minute.
 */
export class WorkQueue implements Component {
    readonly #work: (key: string) => Promise<void>;
    readonly #ports: WorkQueuePorts;
    readonly #workers: number;
    readonly #waiting = new Set<string>();
    readonly #active = new Set<string>();
    readonly #again = new Set<string>();
    readonly #failures = new Map<string, number>();
    readonly #timers = new Map<string, { readonly dueMs: number; readonly timer: Timer }>();
    #state: "new" | "running" | "stopped" = "new";

    constructor(work: (key: string) => Promise<void>, ports: WorkQueuePorts, workers = 1) {
        this.#work = work;
        this.#ports = ports;
        this.#workers = workers;
    }

    add(key: string): void {
        if (this.#state === "stopped") return;
        if (this.#active.has(key)) this.#again.add(key);
        else this.#waiting.add(key);
        this.#pump();
    }

    /** Adds the key later; when it is already due to be added, the earlier of the two times holds. */
    addAfter(key: string, delayMs: number): void {
        if (this.#state === "stopped") return;
        const dueMs = this.#ports.clock.monotonicMs() + delayMs;
        const pending = this.#timers.get(key);
        if (pending !== undefined && pending.dueMs <= dueMs) return;
        pending?.timer.cancel();
        const timer = this.#ports.clock.after(delayMs, () => {
            this.#timers.delete(key);
            this.add(key);
        });
        this.#timers.set(key, { dueMs, timer });
    }

    /** Begins to work; keys added before were kept. */
    async start(): Promise<void> {
        if (this.#state !== "new") return;
        this.#state = "running";
        this.#pump();
    }

    async stop(): Promise<void> {
        this.#state = "stopped";
        for (const { timer } of this.#timers.values()) timer.cancel();
        this.#timers.clear();
        this.#waiting.clear();
        this.#again.clear();
    }

    #pump(): void {
        while (this.#state === "running" && this.#active.size < this.#workers) {
            const [key] = this.#waiting;
            if (key === undefined) return;
            this.#waiting.delete(key);
            this.#active.add(key);
            void this.#run(key);
        }
    }

    async #run(key: string): Promise<void> {
        try {
            await this.#work(key);
            this.#failures.delete(key);
        } catch (failure) {
            this.#retry(key, failure);
        }
        this.#active.delete(key);
        if (this.#again.delete(key)) this.#waiting.add(key);
        this.#pump();
    }

    #retry(key: string, failure: unknown): void {
        if (this.#state === "stopped") return;
        const failures = this.#failures.get(key) ?? 0;
        this.#failures.set(key, failures + 1);
        // Losing a race against another writer is the normal way to learn of its change.
        const level = isConflict(failure) || isNotFound(failure) ? "debug" : "warn";
        this.#ports.log[level]("could not bring an object to its wished state, trying again", {
            object: key,
            reason: errorText(failure),
        });
        this.addAfter(key, Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(failures, 16)));
    }
}
