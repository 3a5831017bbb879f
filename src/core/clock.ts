// SPDX-License-Identifier: Apache-2.0

/** A pending timer. `cancel` is idempotent. */
export interface Timer {
    cancel(): void;
}

/** Time, handed in so that every rule about it can be tested without waiting. */
export interface Clock {
    /** Wall clock, milliseconds since the epoch. May jump. */
    nowMs(): number;
    /** Never goes backwards; only differences have a meaning. */
    monotonicMs(): number;
    /** Runs `action` once after `delayMs`. Does not keep the process alive. */
    after(delayMs: number, action: () => void): Timer;
}

/** Node.js' own time. */
export const systemClock: Clock = {
    nowMs: () => Date.now(),
    monotonicMs: () => performance.now(),
    after(delayMs, action) {
        const handle = setTimeout(action, delayMs);
        handle.unref();
        return { cancel: () => clearTimeout(handle) };
    },
};

/** Resolves after `delayMs`, or at once when `signal` aborts (it never rejects: check the signal). */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
        if (signal?.aborted) {
            resolve();
            return;
        }
        const done = (): void => {
            timer.cancel();
            signal?.removeEventListener("abort", done);
            resolve();
        };
        const timer = clock.after(delayMs, done);
        signal?.addEventListener("abort", done, { once: true });
    });
}
