// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "../../../core/clock.ts";

/** Kubelet's crash-loop numbers: 10 s doubling to 300 s, forgotten after 10 minutes of health. */
export const CRASH_BACKOFF = { initialMs: 10_000, maxMs: 300_000, resetMs: 600_000 } as const;

interface Entry {
    readonly delayMs: number;
    readonly setMs: number;
}

/** How long something that failed has to wait before its next try; the first retry comes at once. */
export class Backoff {
    readonly #clock: Clock;
    readonly #entries = new Map<string, Entry>();

    constructor(clock: Clock) {
        this.#clock = clock;
    }

    /** Milliseconds still to wait, counted from when it failed; 0 when it may be tried. */
    remainingMs(key: string, failedMs: number): number {
        const entry = this.#entries.get(key);
        if (entry === undefined) return 0;
        const elapsedMs = Math.max(0, this.#clock.nowMs() - failedMs);
        return Math.max(0, entry.delayMs - elapsedMs);
    }

    /** To be called at every retry: doubles what the next failure will wait. */
    next(key: string): void {
        const nowMs = this.#clock.nowMs();
        const entry = this.#entries.get(key);
        const fresh =
            entry === undefined || entry.delayMs === 0 || Math.abs(nowMs - entry.setMs) > CRASH_BACKOFF.resetMs;
        const delayMs = fresh ? CRASH_BACKOFF.initialMs : Math.min(entry.delayMs * 2, CRASH_BACKOFF.maxMs);
        this.#entries.set(key, { delayMs, setMs: nowMs });
    }

    /** After a restart of the gateway: as if the container had failed `attempts` times in a row, unless it ran well. */
    restore(key: string, attempts: number, ranMs: number): void {
        if (this.#entries.has(key) || attempts === 0 || ranMs > CRASH_BACKOFF.resetMs) return;
        const delayMs = Math.min(CRASH_BACKOFF.initialMs * 2 ** (attempts - 1), CRASH_BACKOFF.maxMs);
        this.#entries.set(key, { delayMs, setMs: this.#clock.nowMs() });
    }

    delayMs(key: string): number {
        return this.#entries.get(key)?.delayMs ?? 0;
    }

    /** Its past is forgiven: the next try comes at once. */
    reset(key: string): void {
        this.#entries.set(key, { delayMs: 0, setMs: this.#clock.nowMs() });
    }
}
