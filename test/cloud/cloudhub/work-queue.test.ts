// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { WorkQueue } from "../../../src/cloud/cloudhub/work-queue.ts";
import { silentLogger } from "../../../src/core/log.ts";
import { ManualClock } from "../../../src/core/manual-clock.ts";
import { noMetrics } from "../../../src/core/metrics.ts";

test("workers that fail together wait together, then do everything that failed", async () => {
    const clock = new ManualClock();
    const ports = { clock, log: silentLogger, metrics: noMetrics, random: () => 0 };
    const queue = new WorkQueue(ports, { workers: 16, retryMs: 500, delayMs: 500, what: "a record" });
    const done: string[] = [];
    let isDown = true;
    for (let n = 0; n < 40; n += 1) {
        queue.put(`key-${n}`, async () => {
            if (isDown) throw new Error("no API server");
            done.push(`key-${n}`);
        });
    }
    await clock.advance(400);
    expect(clock.pendingTimers).toBe(1);
    isDown = false;
    await clock.advance(99);
    expect(done).toEqual([]);
    await clock.advance(1);
    expect(done).toHaveLength(40);
    expect(new Set(done).size).toBe(40);
    expect([queue.size, clock.pendingTimers]).toEqual([0, 0]);
    await queue.stop({ withinMs: 1000 });
});
