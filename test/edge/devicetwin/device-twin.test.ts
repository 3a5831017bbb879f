// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import { mapperReport, queryDevices } from "../../../src/edge/mappers/wire.ts";
import { newEnvelope } from "../../../src/envelope/envelope.ts";
import { type Harness, startTwin, thermo, thermoModel } from "./harness.ts";

const TWIN = "$hw/events/device/default/thermo-1/twin";

async function withThermo(target?: string, config = {}): Promise<Harness> {
    const harness = await startTwin(config);
    await harness.cloud("insert", "default/devicemodel/thermo-model", thermoModel);
    await harness.cloud("insert", "default/device/thermo-1", thermo(target));
    return harness;
}

const link = (operation: "connect" | "disconnect") =>
    newEnvelope({ route: { source: "edgehub", group: "hub", operation, resource: "link" }, content: null });
const published = (harness: Harness) =>
    harness.take("eventbus").map(({ route, content }) => ({ topic: route.resource, content: content as never }));
const upTwins = (harness: Harness) =>
    harness.sent.edgehub
        .filter(({ route }) => route.resource.endsWith("/twin/edge_updated"))
        .map(({ content }) => (content as { twin: Record<string, { actual?: { value: string } }> }).twin);

describe("MQTT documents", () => {
    test("an update is answered with result, document and delta, in this order", async () => {
        const harness = await withThermo("25");
        harness.take("eventbus");
        await harness.mqtt(`${TWIN}/update`, {
            event_id: "e1",
            timestamp: 1,
            twin: { temperature: { actual: { value: "21.5", metadata: { timestamp: 1_700_000_000_000 } } } },
        });
        const actual = { value: "21.5", metadata: { timestamp: 1_700_000_000_000 } };
        const current = { actual, optional: true, metadata: { type: "float" } };
        const [result, document, delta] = published(harness);
        expect(result).toEqual({
            topic: `${TWIN}/update/result`,
            content: { event_id: "e1", timestamp: harness.clock.nowMs(), twin: { temperature: current } },
        });
        expect(document).toEqual({
            topic: `${TWIN}/update/document`,
            content: {
                event_id: "e1",
                timestamp: harness.clock.nowMs(),
                twin: { temperature: { last: null, current } },
            },
        });
        expect(delta).toMatchObject({ topic: `${TWIN}/update/delta`, content: { delta: { target: "25" } } });
    });

    // As a stock EdgeCore v1.23.1 answers the same documents.
    test("of a key that was there the result has the side that was given, and nothing of what the other holds", async () => {
        const harness = await withThermo();
        const target = { expected: { value: "30" }, actual: { value: "20" }, metadata: { type: "int" } };
        await harness.mqtt(`${TWIN}/update`, { event_id: "e1", twin: { target } });
        harness.take("eventbus");
        await harness.mqtt(`${TWIN}/update`, { event_id: "e2", twin: { target: { actual: { value: "30" } } } });
        const [result, document] = published(harness);
        const at = { metadata: { timestamp: harness.clock.nowMs() } };
        const twin = { target: { actual: { value: "30", ...at }, optional: true, metadata: { type: "int" } } };
        expect(result?.content).toEqual({ event_id: "e2", timestamp: harness.clock.nowMs(), twin });
        expect(document?.content).toMatchObject({ twin: { target: { current: { expected: { value: "30" } } } } });
    });

    test("an update that changes no key is answered with an empty result, and no document", async () => {
        const harness = await withThermo();
        const own = { actual: { value: "1" }, optional: false };
        await harness.mqtt(`${TWIN}/update`, { event_id: "e1", twin: { own } });
        harness.take("eventbus");
        await harness.mqtt(`${TWIN}/update`, { event_id: "e2", twin: {} });
        await harness.mqtt(`${TWIN}/update`, { event_id: "e3", twin: { own: null } });
        const empty = (event: string) => ({
            topic: `${TWIN}/update/result`,
            content: { event_id: event, timestamp: harness.clock.nowMs(), twin: {} },
        });
        expect(published(harness)).toEqual([empty("e2"), empty("e3")]);
    });

    test("twin/get and membership/get answer without versions", async () => {
        const harness = await withThermo();
        await harness.mqtt(`${TWIN}/update`, { event_id: "", twin: { temperature: { actual: { value: "1" } } } });
        harness.take("eventbus");
        await harness.mqtt(`${TWIN}/get`, { event_id: "g", timestamp: 1 });
        await harness.mqtt("$hw/events/node/whatever/membership/get", { event_id: "m" });
        const [twin, membership] = published(harness);
        expect(twin).toMatchObject({ topic: `${TWIN}/get/result`, content: { event_id: "g" } });
        expect(JSON.stringify(twin)).not.toContain("version");
        expect(membership).toMatchObject({
            topic: "$hw/events/node/edge/membership/get/result",
            content: { event_id: "m", devices: [{ id: "default/thermo-1", name: "thermo-1" }] },
        });
    });

    test("any text in UTF-8 is a value, JSON and line ends too", async () => {
        const harness = await withThermo();
        const value = '{"größe": "5 µm"}\n€ %+=';
        await harness.mqtt(`${TWIN}/update`, { event_id: "", twin: { note: { actual: { value } } } });
        expect(upTwins(harness).at(-1)?.["note"]?.actual?.value).toBe(value);
    });

    test.each([
        ["not JSON", "oops"],
        ["no twin", { event_id: "x" }],
        ["twin of the wrong type", { event_id: "x", twin: [] }],
        ["a key that is a number", { event_id: "x", twin: { a: 5 } }],
        ["a value object without value", { event_id: "x", twin: { a: { actual: {} } } }],
        ["a value that is a number", { event_id: "x", twin: { a: { actual: { value: 5 } } } }],
        [
            "a time stamp in text",
            { event_id: "x", twin: { a: { actual: { value: "5", metadata: { timestamp: "1" } } } } },
        ],
        ["a huge value", { event_id: "x", twin: { a: { actual: { value: "x".repeat(70_000) } } } }],
        [
            "a type that is not known",
            { event_id: "x", twin: { a: { actual: { value: "5" }, metadata: { type: "blob" } } } },
        ],
        ["a float that is none", { event_id: "x", twin: { temperature: { actual: { value: "hot" } } } }],
        ["an event id of the wrong type", { event_id: 5, twin: { a: { actual: { value: "5" } } } }],
    ])("%s is answered with 400 on the device's own topic, and the next message is served", async (_case, document) => {
        const harness = await withThermo();
        harness.take("eventbus");
        await harness.mqtt(`${TWIN}/update`, document);
        const eventId = typeof document === "object" && document.event_id === "x" ? "x" : "";
        expect(published(harness)).toMatchObject([
            { topic: `${TWIN}/update/result`, content: { event_id: eventId, code: 400 } },
        ]);
        await harness.mqtt(`${TWIN}/update`, { event_id: "ok", twin: { a: { actual: { value: "5" } } } });
        expect(published(harness)[0]).toMatchObject({
            content: { event_id: "ok", twin: { a: { actual: { value: "5" } } } },
        });
    });

    test("one bad key refuses the whole update", async () => {
        const harness = await withThermo();
        const twin = { a: { actual: { value: "1" } }, temperature: { actual: { value: "hot" } } };
        await harness.mqtt(`${TWIN}/update`, { event_id: "", twin });
        expect(harness.twin.records.get("default/thermo-1")?.twin.has("a")).toBe(false);
    });

    test("an unknown device is answered with 404", async () => {
        const harness = await withThermo();
        harness.take("eventbus");
        await harness.mqtt("$hw/events/device/events/dev/twin/update", { event_id: "e", twin: {} });
        expect(published(harness)).toMatchObject([
            { topic: "$hw/events/device/events/dev/twin/update/result", content: { event_id: "e", code: 404 } },
        ]);
    });

    test("one-segment ids are served when switched on", async () => {
        const harness = await withThermo(undefined, { oneSegmentIds: true });
        harness.take("eventbus");
        await harness.mqtt("$hw/events/device/thermo-1/twin/get", { event_id: "g" });
        expect(published(harness).map(({ topic }) => topic)).toContain("$hw/events/device/thermo-1/twin/get/result");
    });
});

describe("reports to the cloud", () => {
    test("one message is under way for a device; later values go into the next, newest of each", async () => {
        const harness = await withThermo();
        harness.take("edgehub");
        for (const value of ["1", "2", "3"]) {
            await harness.mqtt(`${TWIN}/update`, { event_id: "", twin: { temperature: { actual: { value } } } });
        }
        expect(upTwins(harness).map((twin) => twin["temperature"]?.actual?.value)).toEqual(["1"]);
        await harness.confirmAll();
        expect(upTwins(harness).map((twin) => twin["temperature"]?.actual?.value)).toEqual(["3"]);
        await harness.confirmAll();
        expect(upTwins(harness)).toEqual([]);
    });

    test("an unconfirmed report is sent again, with what is newest by then", async () => {
        const harness = await withThermo(undefined, { confirmTimeoutMs: 1000 });
        harness.take("edgehub");
        await harness.mqtt(`${TWIN}/update`, { event_id: "", twin: { temperature: { actual: { value: "1" } } } });
        await harness.mqtt(`${TWIN}/update`, { event_id: "", twin: { temperature: { actual: { value: "2" } } } });
        await harness.clock.advance(1000);
        expect(upTwins(harness).map((twin) => twin["temperature"]?.actual?.value)).toEqual(["1", "2"]);
    });

    // CloudCore v1.23.1 confirms the first report of a property, and shows an empty value.
    test.each([
        ["a stock CloudCore gets the first report of a property twice", "kubeedge", ["1", "1", "2"]],
        ["a Redge cloud gets it once", "redge", ["1", "2"]],
    ])("%s, and every later one once", async (_case, peer, told) => {
        const harness = await withThermo();
        await harness.twin.receive({ ...link("connect"), content: { peer } });
        const values: unknown[] = [];
        const confirmAll = async (): Promise<void> => {
            for (let round = 0; round < 3; round += 1) {
                for (const { route, content } of harness.sent.edgehub) {
                    if (!route.resource.endsWith("twin/edge_updated")) continue;
                    const { twin } = content as { twin: { temperature?: { actual?: { value: string } } } };
                    if (twin.temperature?.actual !== undefined) values.push(twin.temperature.actual.value);
                }
                await harness.confirmAll();
            }
        };
        for (const value of ["1", "2"]) {
            await harness.mqtt(`${TWIN}/update`, { event_id: "", twin: { temperature: { actual: { value } } } });
            await confirmAll();
        }
        expect(values).toEqual(told);
    });

    test("nothing is sent while the link is down; all unconfirmed when it is back, also after a restart", async () => {
        const harness = await withThermo();
        await harness.twin.receive(link("disconnect"));
        harness.take("edgehub");
        await harness.mqtt(`${TWIN}/update`, { event_id: "", twin: { temperature: { actual: { value: "7" } } } });
        expect(harness.take("edgehub")).toEqual([]);
        await harness.twin.stop();
        const again = await startTwin({}, harness.store);
        await again.twin.receive(link("connect"));
        expect(upTwins(again).map((twin) => twin["temperature"]?.actual?.value)).toEqual(["7"]);
        expect(again.sent.edgehub[0]?.route.resource).toBe("membership/detail");
    });
});

describe("mappers", () => {
    const configured = (harness: Harness) =>
        harness.take("mappers").map(({ route, content }) => ({ ...route, content }));
    const writes = (harness: Harness) =>
        harness
            .take("mappers")
            .filter(({ route }) => route.operation === "write")
            .map(({ content }) => content as { id: string; property: string; value: unknown });

    test("a device is handed out merged with its model, then its desired value, typed", async () => {
        const harness = await withThermo("25");
        const [device, write] = configured(harness);
        expect(device).toMatchObject({
            operation: "update",
            resource: "default/device/thermo-1",
            content: {
                instance: {
                    id: "default/thermo-1",
                    protocol: { configData: { slaveID: 1 } },
                    properties: [
                        { name: "temperature", type: "FLOAT", accessMode: "ReadOnly" },
                        { name: "target", type: "INT", minimum: 0, maximum: 100 },
                    ],
                },
            },
        });
        expect(write).toMatchObject({
            operation: "write",
            resource: "default/device/thermo-1",
            content: { property: "target", value: 25, type: "INT", visitor: { configData: { offset: 1 } } },
        });
    });

    test("a device whose model is missing is handed out when the model comes", async () => {
        const harness = await startTwin();
        await harness.cloud("insert", "default/device/thermo-1", thermo("25"));
        expect(harness.take("mappers")).toEqual([]);
        await harness.cloud("insert", "default/devicemodel/thermo-model", thermoModel);
        expect(harness.take("mappers").map(({ route }) => route.operation)).toEqual(["update", "write"]);
    });

    test("a desired value is written once: not again for the same device pushed again, replayed until confirmed", async () => {
        const harness = await withThermo("25");
        const [first] = writes(harness);
        await harness.cloud("update", "default/device/thermo-1", thermo("25"));
        expect(writes(harness)).toEqual([]);
        await harness.twin.receive(queryDevices());
        expect(writes(harness)).toEqual([first]);
        await harness.twin.receive(
            mapperReport("default/thermo-1", { written: { target: { id: first?.id, value: 25 } } }),
        );
        await harness.twin.receive(queryDevices());
        expect(writes(harness)).toEqual([]);
        await harness.cloud("update", "default/device/thermo-1", thermo("26"));
        expect(writes(harness)).toMatchObject([{ property: "target", value: 26 }]);
    });

    test("the cloud hears of a desired value when it is taken, and why when it is refused", async () => {
        const harness = await withThermo("25");
        await harness.confirmAll();
        const [write] = writes(harness);
        await harness.twin.receive(
            mapperReport("default/thermo-1", { written: { target: { id: write?.id, value: 25 } } }),
        );
        expect(upTwins(harness)).toMatchObject([{ target: { expected: { value: "25" } } }]);
        await harness.confirmAll();
        await harness.cloud("update", "default/device/thermo-1", thermo("500"));
        expect(writes(harness)).toEqual([]);
        expect(upTwins(harness)).toMatchObject([{ target: { failed: { value: "500" } } }]);
    });

    test("values come typed and leave as text with their own time; a failed reading keeps the last good one", async () => {
        const harness = await withThermo();
        harness.take("edgehub");
        const timestamp = harness.clock.nowMs() - 500;
        await harness.twin.receive(
            mapperReport("default/thermo-1", {
                reported: { temperature: { value: 21.25, timestamp } },
                state: "online",
            }),
        );
        expect(upTwins(harness)).toMatchObject([
            { temperature: { actual: { value: "21.25", metadata: { timestamp } } } },
        ]);
        await harness.confirmAll();
        const bad = { value: undefined, quality: "bad", reason: "timed out" } as const;
        await harness.twin.receive(mapperReport("default/thermo-1", { reported: { temperature: bad } }));
        expect(upTwins(harness)).toMatchObject([
            {
                temperature: {
                    actual: { value: "21.25", metadata: { timestamp, quality: "bad", reason: "timed out" } },
                },
            },
        ]);
    });

    test("bytes are base64, from MQTT clients and from mappers", async () => {
        const harness = await startTwin();
        const properties = [{ name: "temperature", type: "BYTES", accessMode: "ReadOnly" }];
        await harness.cloud("insert", "default/devicemodel/thermo-model", { ...thermoModel, spec: { properties } });
        await harness.cloud("insert", "default/device/thermo-1", thermo(undefined));
        const update = (value: string) =>
            harness.mqtt(`${TWIN}/update`, { event_id: "", twin: { temperature: { actual: { value } } } });
        const results = () =>
            harness
                .take("eventbus")
                .filter(({ route }) => route.resource === `${TWIN}/update/result`)
                .map(({ content }) => (content as { code?: number }).code);
        for (const value of ["+/8=", "no base64"]) await update(value);
        expect(results()).toEqual([undefined, 400]);
        const told = (value: unknown) =>
            harness.twin.receive(mapperReport("default/thermo-1", { reported: { temperature: { value } } }));
        await told(Buffer.from([0, 255]));
        expect(harness.twin.records.get("default/thermo-1")?.twin.get("temperature")).toMatchObject({
            type: "bytes",
            actual: { value: "AP8=" },
        });
        await expect(told("no base64")).rejects.toMatchObject({ code: "REDGE_DEVICE_MESSAGE" });
    });

    test("a report of an unknown device or of another shape is refused by code", async () => {
        const harness = await withThermo();
        await expect(harness.twin.receive(mapperReport("default/nobody", {}))).rejects.toMatchObject({
            code: "REDGE_DEVICE_UNKNOWN",
        });
        for (const reported of ["hot", { "a{b}": 1 }, { ["x".repeat(129)]: 1 }, { note: "x".repeat(65_537) }]) {
            const odd = mapperReport("default/thermo-1", { reported } as never);
            await expect(harness.twin.receive(odd)).rejects.toMatchObject({ code: "REDGE_DEVICE_MESSAGE" });
        }
    });
});
