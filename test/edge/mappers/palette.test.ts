// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import type { Wired } from "../../../nodes/shell/component-node.ts";
import { parseConfig } from "../../../src/core/config.ts";
import { ManualClock } from "../../../src/core/manual-clock.ts";
import {
    DeviceGet,
    type DeviceGetConfig,
    DeviceIn,
    DeviceOut,
    deviceGetConfig,
    type PlainMessage,
} from "../../../src/edge/mappers/palette/index.ts";
import { mapperReport } from "../../../src/edge/mappers/wire.ts";
import { startTwin, thermo, thermoModel } from "../devicetwin/harness.ts";

const ID = "default/thermo-1";

/** DeviceTwin with a device, and one palette node wired to it both ways. */
async function wired(node: Wired, target?: string) {
    const harness = await startTwin();
    const refused: unknown[] = [];
    harness.twin.on("output", (output, envelope) => {
        if (output === "mappers") node.receive(envelope).catch((thrown: unknown) => refused.push(thrown));
    });
    const settled: Promise<void>[] = [];
    node.on("output", (_output, envelope) =>
        settled.push(harness.twin.receive(envelope).catch((thrown: unknown) => void refused.push(thrown))),
    );
    await node.start();
    await harness.cloud("insert", "default/devicemodel/thermo-model", thermoModel);
    await harness.cloud("insert", "default/device/thermo-1", thermo(target));
    return { harness, refused, settle: () => Promise.all(settled) };
}

const twinOf = (harness: Awaited<ReturnType<typeof startTwin>>, property: string) =>
    harness.twin.records.get(ID)?.twin.get(property);

describe("device in", () => {
    test("passes on the desired values of its device and property, typed; none of others", async () => {
        const mine = new DeviceIn({ device: "thermo-1", property: "target" });
        const other = new DeviceIn({ device: ID, property: "temperature" });
        const seen: PlainMessage[] = [];
        mine.on("value", (message) => seen.push(message));
        other.on("value", (message) => seen.push(message));
        const { harness } = await wired(mine, "25");
        harness.twin.on("output", (output, envelope) => void (output === "mappers" && other.receive(envelope)));
        await harness.cloud("update", "default/device/thermo-1", thermo("26"));
        expect(seen).toMatchObject([
            { payload: 25, topic: `${ID}/target`, device: ID, property: "target", type: "INT" },
            { payload: 26 },
        ]);
    });

    test.each([ID, undefined])(
        "a value that came before the node did is handed out when it starts: %s",
        async (device) => {
            const harness = await startTwin();
            await harness.cloud("insert", "default/devicemodel/thermo-model", thermoModel);
            await harness.cloud("insert", "default/device/thermo-1", thermo("25"));
            const node = new DeviceIn(device === undefined ? {} : { device });
            const seen: PlainMessage[] = [];
            node.on("value", (message) => seen.push(message));
            node.on("output", (_output, envelope) => void harness.twin.receive(envelope));
            harness.twin.on("output", (output, envelope) => void (output === "mappers" && node.receive(envelope)));
            await node.start();
            await harness.clock.advance(0);
            expect(seen).toMatchObject([{ payload: 25 }]);
        },
    );
});

describe("device in and device out with methods", () => {
    const calling = (value: string) => {
        const device = thermo(undefined);
        const methods = [
            { name: "reset", propertyNames: [] },
            { name: "adjust", propertyNames: ["target"] },
        ];
        return {
            ...device,
            metadata: { ...device.metadata, annotations: { "call.redge.io/c1": value } },
            spec: { ...device.spec, methods },
        };
    };
    const callOf = (harness: Awaited<ReturnType<typeof startTwin>>) => harness.twin.records.get(ID)?.calls?.["c1"];

    test("a call comes whole by its output, once however often it is told, and its result is the flow's payload", async () => {
        const node = new DeviceIn({ device: ID, methods: true });
        const seen: PlainMessage[] = [];
        node.on("method", (message) => seen.push(message));
        node.on("value", (message) => seen.push(message));
        const { harness } = await wired(node);
        await harness.cloud("update", "default/device/thermo-1", calling('{"method":"adjust","params":{"target":25}}'));
        await node.start();
        await harness.clock.advance(0);
        expect(seen).toEqual([
            { payload: { target: 25 }, topic: `${ID}/adjust`, device: ID, method: "adjust", call: "c1" },
        ]);
        const out = new DeviceOut({});
        out.on("output", (_output, envelope) => void harness.twin.receive(envelope));
        out.receiveMessage({ ...seen[0], payload: { reached: 24.5 } });
        await harness.clock.advance(0);
        expect(callOf(harness)).toMatchObject({ state: "Succeeded", result: { reached: 24.5 } });
    });

    test("a flow that fails ends the call with its error", async () => {
        const out = new DeviceOut({ device: ID });
        const { harness, settle } = await wired(out);
        await harness.cloud("update", "default/device/thermo-1", calling("reset"));
        out.receiveMessage({ call: "c1", error: new Error("no power") });
        await settle();
        expect(callOf(harness)).toMatchObject({ state: "Failed", reason: "no power" });
    });

    test("without the option a call's properties come as values, and confirming them ends it", async () => {
        const node = new DeviceIn({ device: ID });
        const seen: PlainMessage[] = [];
        node.on("method", (message) => seen.push(message));
        node.on("value", (message) => seen.push(message));
        const { harness } = await wired(node);
        await harness.cloud("update", "default/device/thermo-1", calling('{"method":"adjust","params":{"target":25}}'));
        expect(seen).toMatchObject([{ payload: 25, property: "target", method: "adjust" }]);
        const out = new DeviceOut({});
        out.on("output", (_output, envelope) => void harness.twin.receive(envelope));
        out.receiveMessage(seen[0] ?? {});
        await harness.clock.advance(0);
        expect(callOf(harness)).toMatchObject({ state: "Succeeded", result: { target: 25 } });
    });
});

describe("device out", () => {
    test("one value, several values, a state", async () => {
        const node = new DeviceOut({ device: "thermo-1", property: "temperature" });
        const { harness, settle } = await wired(node);
        node.receiveMessage({ payload: 21.5, timestamp: 1_700_000_000_000, state: "online" });
        await settle();
        expect(twinOf(harness, "temperature")?.actual).toEqual({ value: "21.5", timestamp: 1_700_000_000_000 });
        expect(harness.twin.records.get(ID)?.state).toBe("online");
        const any = new DeviceOut({});
        any.on("output", (_output, envelope) => void harness.twin.receive(envelope));
        any.receiveMessage({ device: "thermo-1", payload: { temperature: 22, target: 30 } });
        await harness.clock.advance(0);
        expect([twinOf(harness, "temperature")?.actual?.value, twinOf(harness, "target")?.actual?.value]).toEqual([
            "22",
            "30",
        ]);
    });

    test("what device in has handed out is confirmed, or refused with the error that the flow met", async () => {
        const out = new DeviceOut({});
        const { harness, settle } = await wired(out, "25");
        const write = harness.sent.mappers.find(({ route }) => route.operation === "write")?.content as { id: string };
        const message = { device: ID, property: "target", payload: 25, write: write.id };
        out.receiveMessage({ ...message, error: new Error("valve stuck") });
        await settle();
        expect(twinOf(harness, "target")).toMatchObject({ failed: { value: "25", reason: "valve stuck" } });
        await harness.cloud("update", "default/device/thermo-1", thermo("26"));
        const next = harness.sent.mappers.findLast(({ route }) => route.operation === "write")?.content as {
            id: string;
        };
        out.receiveMessage({ ...message, payload: 26, write: next.id });
        await settle();
        expect(twinOf(harness, "target")?.pendingWrite).toBeUndefined();
        expect(twinOf(harness, "target")).toMatchObject({ actual: { value: "26" }, expected: { value: "26" } });
    });

    test("a message that names no device, or no property, is refused by code", () => {
        const refused = expect.objectContaining({ code: "REDGE_DEVICE_MESSAGE" });
        expect(() => new DeviceOut({}).receiveMessage({ payload: 1 })).toThrow(refused);
        expect(() => new DeviceOut({ device: "a" }).receiveMessage({ payload: 1 })).toThrow(refused);
    });
});

describe("device get", () => {
    const config = (given: object) => parseConfig<DeviceGetConfig>(deviceGetConfig, given);

    test("answers with the typed value, keeping the message's other properties", async () => {
        const node = new DeviceGet(config({ device: ID, property: "temperature" }), { clock: new ManualClock() });
        const { harness } = await wired(node);
        await harness.twin.receive(mapperReport(ID, { reported: { temperature: { value: 21.5, timestamp: 5 } } }));
        const seen: PlainMessage[] = [];
        node.on("value", (message) => seen.push(message));
        await node.receiveMessage({ payload: "?", line: 3 });
        expect(seen).toMatchObject([
            {
                payload: 21.5,
                line: 3,
                device: ID,
                twin: { timestamp: 5, quality: "good", reason: null, type: "float" },
            },
        ]);
    });

    test("answers with the latest values of a property, oldest first, as many as are kept", async () => {
        const harness = await startTwin({ historyLength: 5 });
        const node = new DeviceGet(config({ device: ID, property: "temperature" }), { clock: new ManualClock() });
        harness.twin.on("output", (output, envelope) => void (output === "mappers" && node.receive(envelope)));
        node.on("output", (_output, envelope) => void harness.twin.receive(envelope));
        await harness.cloud("insert", "default/devicemodel/thermo-model", thermoModel);
        await harness.cloud("insert", "default/device/thermo-1", thermo(undefined));
        for (let value = 1; value <= 12; value += 1) {
            await harness.twin.receive(mapperReport(ID, { reported: { temperature: { value, timestamp: value } } }));
        }
        const seen: PlainMessage[] = [];
        node.on("value", (message) => seen.push(message));
        await node.receiveMessage({ history: 3 });
        await node.receiveMessage({ history: 100 });
        const values = (from: number) =>
            Array.from({ length: 13 - from }, (_, index) => ({ value: from + index, timestamp: from + index }));
        expect(seen.map(({ payload }) => payload)).toEqual([values(10), values(8)]);
        await harness.cloud("delete", "default/device/thermo-1", {});
        expect(await harness.store.scan("devicetwin/history/")).toEqual([]);
    });

    test("an unknown device, and a node that is not wired, are errors", async () => {
        const clock = new ManualClock();
        const node = new DeviceGet(config({ device: "nobody" }), { clock });
        await wired(node);
        await expect(node.receiveMessage({})).rejects.toMatchObject({ code: "REDGE_DEVICE_UNKNOWN" });
        const alone = new DeviceGet(config({ device: ID }), { clock });
        const answer = expect(alone.receiveMessage({})).rejects.toMatchObject({ code: "REDGE_DEVICE_NO_ANSWER" });
        await clock.advance(5000);
        await answer;
    });
});
