// SPDX-License-Identifier: Apache-2.0
import { expect, it } from "vitest";
import { ManualClock } from "../../../../src/core/manual-clock.ts";
import { EventRecorder, type EventSubject } from "../../../../src/edge/edged/pods/events.ts";
import { newEnvelope } from "../../../../src/envelope/envelope.ts";
import type { KubeObject } from "../../../../src/kube/types.ts";

const POD: EventSubject = { kind: "Pod", namespace: "default", name: "web", uid: "u" };

it("tells the first repeats at once, later ones together, and the last ones though nothing follows", async () => {
    const clock = new ManualClock();
    const told: { operation: string; count: unknown; last: unknown }[] = [];
    const recorder = new EventRecorder(clock, "edge-1", (operation, resource, event: KubeObject) => {
        told.push({ operation, count: event["count"], last: event["lastTimestamp"] });
        return newEnvelope({ route: { source: "edged", group: "meta", operation, resource }, content: event });
    });
    const again = async (times: number): Promise<void> => {
        for (let i = 0; i < times; i++) {
            recorder.record(POD, "Warning", "Unhealthy", "Readiness probe failed");
            await clock.advance(1_000);
        }
    };
    await again(5);
    expect(told.map(({ operation, count }) => [operation, count])).toEqual([
        ["insert", 1],
        ["update", 2],
        ["update", 3],
        ["update", 4],
        ["update", 5],
    ]);
    await again(10);
    expect(told).toHaveLength(5);
    await clock.advance(30_000);
    expect(told.slice(5)).toEqual([{ operation: "update", count: 15, last: "2026-01-01T00:00:14Z" }]);
    await again(2);
    recorder.stop();
    expect(clock.pendingTimers).toBe(0);
});
