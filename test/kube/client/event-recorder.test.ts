// SPDX-License-Identifier: Apache-2.0
import { beforeEach, describe, expect, it } from "vitest";
import { silentLogger } from "../../../src/core/log.ts";
import { ManualClock } from "../../../src/core/manual-clock.ts";
import { EventRecorder } from "../../../src/kube/client/event-recorder.ts";
import { unreachable } from "../../../src/kube/client/status-error.ts";
import { Kinds, type KubeObject } from "../../../src/kube/types.ts";
import { MemoryCluster } from "../../support/memory-cluster.ts";

const pod: KubeObject = { apiVersion: "v1", kind: "Pod", metadata: { name: "web", namespace: "shop", uid: "u1" } };
let clock: ManualClock;
let cluster: MemoryCluster;
let recorder: EventRecorder;

beforeEach(() => {
    clock = new ManualClock();
    cluster = new MemoryCluster(clock);
    recorder = new EventRecorder(
        { cluster, component: "edged", host: "edge" },
        { clock, log: silentLogger, random: () => 0 },
    );
});

const events = async (): Promise<KubeObject[]> => {
    await clock.advance(0);
    return (await cluster.list({ type: Kinds.event })).items;
};

describe("EventRecorder", () => {
    it("writes an event as kubectl describe wants it", async () => {
        recorder.record({ ...pod, fieldPath: "spec.containers{main}" }, "Warning", "BackOff", "Back-off restarting");
        expect(await events()).toMatchObject([
            {
                metadata: { namespace: "shop" },
                involvedObject: {
                    apiVersion: "v1",
                    kind: "Pod",
                    name: "web",
                    uid: "u1",
                    fieldPath: "spec.containers{main}",
                },
                type: "Warning",
                reason: "BackOff",
                message: "Back-off restarting",
                source: { component: "edged", host: "edge" },
                count: 1,
                firstTimestamp: "2026-01-01T00:00:00Z",
                lastTimestamp: "2026-01-01T00:00:00Z",
            },
        ]);
    });

    it("counts what happens again in the same event, and begins anew when that is gone", async () => {
        for (let time = 0; time < 3; time += 1) recorder.record(pod, "Normal", "Pulled", "again");
        const [event] = await events();
        expect(event).toMatchObject({ count: 3 });
        await cluster.delete({ type: Kinds.event, namespace: "shop", name: event?.metadata.name ?? "" });
        recorder.record(pod, "Normal", "Pulled", "again");
        expect(await events()).toMatchObject([{ count: 4 }]);
    });

    it("combines more than ten different messages of one reason", async () => {
        for (let n = 0; n < 14; n += 1) recorder.record(pod, "Warning", "Failed", `attempt ${n}`);
        const all = await events();
        expect(all).toHaveLength(11);
        expect(all.at(-1)).toMatchObject({ count: 4, message: "(combined from similar events): attempt 13" });
    });

    it("does not let one object flood the cluster, and lets it speak again later", async () => {
        for (let n = 0; n < 100; n += 1) recorder.record(pod, "Normal", "Spam", "same");
        expect(await events()).toMatchObject([{ count: 25 }]);
        await clock.advance(301_000);
        recorder.record(pod, "Normal", "Spam", "same");
        expect((await events())[0]).toMatchObject({ lastTimestamp: "2026-01-01T00:05:01Z" });
    });

    it("keeps events while the API is away, and drops those it refuses", async () => {
        let away = true;
        cluster.refuse = () => {
            if (away) throw unreachable("https://api", new Error("down"));
        };
        recorder.record(pod, "Normal", "Kept", "kept");
        expect(await events()).toEqual([]);
        away = false;
        await clock.advance(1000);
        expect(await events()).toHaveLength(1);
        cluster.refuse = (_, __, object) => {
            if ((object as { reason?: string } | undefined)?.reason === "Bad") throw new Error("refused");
        };
        recorder.record(pod, "Normal", "Bad", "dropped");
        recorder.record(pod, "Normal", "Good", "written");
        expect((await events()).map((event) => event["reason"])).toEqual(["Kept", "Good"]);
    });

    it("writes nothing after stop", async () => {
        await recorder.stop();
        recorder.record(pod, "Normal", "Late", "late");
        expect(await events()).toEqual([]);
    });
});
