// SPDX-License-Identifier: Apache-2.0
import type { Clock, Timer } from "./clock.ts";

/** A clock that moves only when told to. The memory twin of `systemClock` for tests and simulations. */
export class ManualClock implements Clock {
    #wallMs: number;
    #monotonicMs = 0;
    #nextId = 1;
    readonly #timers = new Map<number, { readonly dueMs: number; readonly action: () => void }>();

    constructor(startMs = Date.UTC(2026, 0, 1)) {
        this.#wallMs = startMs;
    }

    nowMs(): number {
        return this.#wallMs;
    }

    monotonicMs(): number {
        return this.#monotonicMs;
    }

    after(delayMs: number, action: () => void): Timer {
        const id = this.#nextId++;
        this.#timers.set(id, { dueMs: this.#monotonicMs + Math.max(0, delayMs), action });
        return { cancel: () => this.#timers.delete(id) };
    }

    /** Sets the wall clock without letting time pass, as an administrator or NTP would. */
    jumpTo(wallMs: number): void {
        this.#wallMs = wallMs;
    }

    /** Lets time pass: runs due timers in order, and lets pending promises settle after each. */
    async advance(byMs: number): Promise<void> {
        const targetMs = this.#monotonicMs + byMs;
        await settle();
        for (let due = this.#earliest(targetMs); due !== undefined; due = this.#earliest(targetMs)) {
            const [id, timer] = due;
            this.#timers.delete(id);
            this.#moveTo(timer.dueMs);
            timer.action();
            await settle();
        }
        this.#moveTo(targetMs);
        await settle();
    }

    get pendingTimers(): number {
        return this.#timers.size;
    }

    #moveTo(monotonicMs: number): void {
        const byMs = Math.max(0, monotonicMs - this.#monotonicMs);
        this.#monotonicMs += byMs;
        this.#wallMs += byMs;
    }

    #earliest(targetMs: number): [number, { dueMs: number; action: () => void }] | undefined {
        let best: [number, { dueMs: number; action: () => void }] | undefined;
        for (const entry of this.#timers) {
            if (entry[1].dueMs <= targetMs && (best === undefined || entry[1].dueMs < best[1].dueMs)) best = entry;
        }
        return best;
    }
}

/** Turns of the event loop that let promise chains and immediate callbacks run. */
async function settle(): Promise<void> {
    for (let turn = 0; turn < 4; turn += 1) await new Promise<void>((resolve) => setImmediate(resolve));
}
