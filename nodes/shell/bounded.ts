// SPDX-License-Identifier: Apache-2.0
import { type Clock, sleep } from "../../src/core/clock.ts";

/** Waits for `work`, but no longer than `limitMs`. False when it was not finished by then. */
export async function within(clock: Clock, limitMs: number, work: Promise<unknown>): Promise<boolean> {
    const finished = new AbortController();
    const late = sleep(clock, limitMs, finished.signal).then(() => finished.signal.aborted);
    const early = work.then(() => true);
    try {
        return await Promise.race([early, late]);
    } finally {
        finished.abort();
    }
}
