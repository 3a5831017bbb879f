// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import type { Envelope } from "../../../src/envelope/envelope.ts";
import { describeWith, file } from "../../support/requires.ts";
import { type Harness, recording, recordings, startTwin } from "./harness.ts";

/** The shape of a document: ids and times replaced, so that two runs can be compared. */
function shape(value: unknown): unknown {
    if (Array.isArray(value)) return value.map(shape);
    if (value === null || typeof value !== "object") return value;
    return Object.fromEntries(
        Object.entries(value).map(([key, inner]) => {
            if (key === "event_id") return [key, typeof inner];
            if (key === "timestamp" || key === "lastOnlineTime") return [key, typeof inner];
            return [key, shape(inner)];
        }),
    );
}

function told({ route, content }: Envelope): unknown {
    const document = typeof content === "string" && content.startsWith("{") ? JSON.parse(content) : content;
    return { ...route, content: shape(document) };
}

async function replayDown(harness: Harness, name: string): Promise<void> {
    for (const { dir, envelope } of recording(name)) {
        if (dir === "cloud->edge" && envelope.route.source !== "edgecontroller") await harness.twin.receive(envelope);
    }
}

const upward = (name: string, keep: (envelope: Envelope) => boolean) =>
    recording(name)
        .filter(({ dir, envelope }) => dir === "edge->cloud" && keep(envelope))
        .map(({ envelope }) => told(envelope));

describeWith([file("KubeEdge recordings", recordings)], "DeviceTwin against recorded KubeEdge v1.23.1", () => {
    test("07: model and device are acknowledged as KubeEdge does, the device is known and announced", async () => {
        const harness = await startTwin({ nodeName: "edge-1" });
        await replayDown(harness, "07-device-create");
        const acks = harness.take("edgehub");
        expect(acks.map(told)).toEqual(upward("07-device-create", ({ route }) => route.source === "meta"));
        const parents = recording("07-device-create").filter(
            ({ envelope: { route } }) => route.source === "devicecontroller" && route.group === "resource",
        );
        expect(acks.map(({ header }) => header.parent_msg_id)).toEqual(
            parents.filter(({ dir }) => dir === "cloud->edge").map(({ envelope }) => envelope.header.msg_id),
        );
        const announced = harness.take("eventbus").filter(({ route }) => route.resource.includes("membership"));
        expect(announced.map(({ route, content }) => [route.resource, shape(content)])).toEqual([
            [
                "$hw/events/node/edge-1/membership/updated",
                {
                    event_id: "string",
                    timestamp: "number",
                    added_devices: [{ id: "default/thermo-1", name: "thermo-1" }],
                    removed_devices: null,
                },
            ],
        ]);
    });

    test("08: what MQTT clients report goes up in the recorded shape, value by value", async () => {
        const harness = await startTwin({ nodeName: "edge-1" });
        // The recorded clients met a twin without desired values: only membership had named the device.
        const [membership] = recording("07-device-create");
        if (membership === undefined) throw new Error("recording 07 is empty");
        await harness.twin.receive(membership.envelope);
        const update = "$hw/events/device/default/thermo-1/twin/update";
        const seen: unknown[] = [];
        const upload = async (document: object) => {
            await harness.mqtt(update, document);
            seen.push(...harness.sent.edgehub.map(told));
            await harness.confirmAll();
        };
        for (const value of ["21.5", "21.7", "22.0"]) {
            await upload({
                event_id: "",
                timestamp: 1,
                twin: { temperature: { actual: { value }, metadata: { type: "float" } } },
            });
        }
        await upload({
            event_id: "two",
            timestamp: 1,
            twin: {
                power: { actual: { value: "OFF" }, metadata: { type: "string" } },
                target: { expected: { value: "25" }, actual: { value: "20" }, metadata: { type: "int" } },
            },
        });
        await harness.mqtt("$hw/events/device/default/thermo-1/state/update", {
            event_id: "",
            timestamp: 1,
            state: "online",
        });
        seen.push(...harness.sent.edgehub.map(told));
        expect(seen).toEqual(upward("08-device-twin-edge-to-cloud", ({ route }) => route.source === "twin"));
    });

    test("09 and 10: updates are acknowledged with their own route, deletion removes and is announced", async () => {
        const harness = await startTwin({ nodeName: "edge-1" });
        await replayDown(harness, "07-device-create");
        harness.take("edgehub");
        for (const { dir, envelope } of recording("09-device-desired-cloud-to-edge")) {
            if (dir === "cloud->edge") await harness.twin.receive(envelope);
        }
        expect(harness.take("edgehub").map(told)).toEqual(
            upward("09-device-desired-cloud-to-edge", ({ route }) => route.operation === "response"),
        );
        harness.take("eventbus");
        await replayDown(harness, "10-device-delete");
        expect(harness.take("edgehub").map(told)).toEqual(
            upward("10-device-delete", ({ route }) => route.source === "meta"),
        );
        expect(harness.twin.records.size).toBe(0);
        expect(harness.take("eventbus").map(({ route }) => route.resource)).toEqual([
            "$hw/events/node/edge-1/membership/updated",
        ]);
    });
});
