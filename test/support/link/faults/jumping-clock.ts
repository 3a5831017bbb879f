// SPDX-License-Identifier: Apache-2.0
import { type Clock, systemClock } from "../../../../src/core/clock.ts";

/** Both ends live so many times faster than the machine: half an hour of theirs takes a quarter of one. */
export const SPEED = 4;

/**
 * A clock that runs `SPEED` times too fast from `beganMs` on, in every process from the same moment, and whose wall time
 * the parent may put forward or back (`{ jumpMs }`).
 */
export function jumpingClock(beganMs: number): Clock {
    let offsetMs = 0;
    process.on("message", (message: { jumpMs?: number }) => {
        if (message.jumpMs !== undefined) offsetMs = message.jumpMs;
    });
    return {
        nowMs: () => beganMs + Math.round((systemClock.nowMs() - beganMs) * SPEED) + offsetMs,
        monotonicMs: () => systemClock.monotonicMs() * SPEED,
        after: (delayMs, action) => systemClock.after(delayMs / SPEED, action),
    };
}
