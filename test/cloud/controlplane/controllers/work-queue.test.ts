// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import { WorkQueue } from "../../../../src/cloud/controlplane/controllers/lib/work-queue.ts";
import { silentLogger } from "../../../../src/core/log.ts";
import { ManualClock } from "../../../../src/core/manual-clock.ts";
import { milli } from "../../../../src/kube/quantity.ts";

describe("WorkQueue", () => {
    const clock = new ManualClock();
    const ports = { clock, log: silentLogger };

    it("works each key once however often it was added, and again when it was added meanwhile", async () => {
        const done: string[] = [];
        let release = (): void => {};
        const queue = new WorkQueue((key) => {
            done.push(key);
            return new Promise((resolve) => {
                release = resolve;
            });
        }, ports);
        queue.add("a");
        queue.add("a");
        await queue.start();
        queue.add("a");
        queue.add("a");
        release();
        await clock.advance(0);
        expect(done).toEqual(["a", "a"]);
        release();
        await clock.advance(0);
        expect(done).toEqual(["a", "a"]);
        await queue.stop();
    });

    it("comes back to a failed key after 10 ms, doubling, and forgets failures on success", async () => {
        const times: number[] = [];
        const startMs = clock.monotonicMs();
        const queue = new WorkQueue(async () => {
            times.push(clock.monotonicMs() - startMs);
            if (times.length < 4) throw new Error("not yet");
        }, ports);
        queue.add("a");
        await queue.start();
        await clock.advance(1000);
        expect(times).toEqual([0, 10, 30, 70]);
        await queue.stop();
    });

    it("holds the earlier of two times, and does nothing once stopped", async () => {
        let count = 0;
        const queue = new WorkQueue(async () => {
            count += 1;
        }, ports);
        await queue.start();
        queue.addAfter("a", 500);
        queue.addAfter("a", 100);
        queue.addAfter("a", 300);
        await clock.advance(150);
        expect(count).toBe(1);
        await clock.advance(1000);
        expect(count).toBe(1);
        queue.addAfter("a", 10);
        await queue.stop();
        queue.add("a");
        await clock.advance(1000);
        expect(count).toBe(1);
    });
});

describe("milli", () => {
    it.each([
        ["1", 1000],
        ["250m", 250],
        ["0.5", 500],
        [".5", 500],
        ["1Ki", 1_024_000],
        ["2Gi", 2_147_483_648_000],
        ["1e3", 1_000_000],
        ["1k", 1_000_000],
        ["1n", 1],
        [4, 4000],
        [undefined, 0],
        ["many", 0],
    ])("reads %s", (quantity, wanted) => {
        expect(milli(quantity)).toBe(wanted);
    });
});
