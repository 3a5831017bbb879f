// SPDX-License-Identifier: Apache-2.0
import { type Clock, systemClock } from "../../../../src/core/clock.ts";

/** The system's clock, whose wall time the parent process may put forward or back (`{ jumpMs }`). */
export function jumpingClock(): Clock {
    let offsetMs = 0;
    process.on("message", (message: { jumpMs?: number }) => {
        if (message.jumpMs !== undefined) offsetMs = message.jumpMs;
    });
    return { ...systemClock, nowMs: () => systemClock.nowMs() + offsetMs };
}
