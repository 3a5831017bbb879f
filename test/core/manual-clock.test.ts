// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import { sleep } from "../../src/core/clock.ts";
import { ManualClock } from "../../src/core/manual-clock.ts";

describe("ManualClock", () => {
    test("runs timers in the order they are due, and those they start within the same span", async () => {
        const clock = new ManualClock();
        const ran: string[] = [];
        clock.after(20, () => ran.push("b"));
        clock.after(10, () => {
            ran.push("a");
            clock.after(5, () => ran.push("a2"));
        });
        clock.after(100, () => ran.push("late"));
        await clock.advance(50);
        expect(ran).toEqual(["a", "a2", "b"]);
        expect(clock.monotonicMs()).toBe(50);
        expect(clock.pendingTimers).toBe(1);
    });

    test("a wall clock jump moves no timer", async () => {
        const clock = new ManualClock(1_000);
        let fired = false;
        clock.after(10, () => {
            fired = true;
        });
        clock.jumpTo(3_600_000);
        await clock.advance(9);
        expect(fired).toBe(false);
        await clock.advance(1);
        expect(fired).toBe(true);
        expect(clock.nowMs()).toBe(3_600_010);
    });

    test("sleep ends early on abort and leaves no timer behind", async () => {
        const clock = new ManualClock();
        const abort = new AbortController();
        const slept = sleep(clock, 1_000, abort.signal);
        abort.abort();
        await slept;
        expect(clock.pendingTimers).toBe(0);
    });
});
