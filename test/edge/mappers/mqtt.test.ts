// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { expect, test } from "vitest";
import { parseAllDocuments } from "yaml";
import { silentLogger } from "../../../src/core/log.ts";
import { ManualClock } from "../../../src/core/manual-clock.ts";
import { noMetrics } from "../../../src/core/metrics.ts";
import { resolveDevice } from "../../../src/edge/mappers/device-instance.ts";
import { MqttMapper, type MqttMessage } from "../../../src/edge/mappers/mqtt/index.ts";
import { deviceResource, type MapperReport, WRITE } from "../../../src/edge/mappers/wire.ts";
import { newEnvelope } from "../../../src/envelope/envelope.ts";

const ID = "default/meter-1";
const [model, device] = parseAllDocuments(
    readFileSync(resolve(import.meta.dirname, "../../../examples/devices/meter.yaml"), "utf8"),
).map((document) => document.toJS() as Record<string, unknown>);

async function startMapper(given: unknown = device, described: unknown = model) {
    const clock = new ManualClock();
    const mapper = new MqttMapper(
        { protocol: "mqtt" },
        { clock, log: silentLogger, metrics: noMetrics, random: () => 0.5 },
    );
    const reports: MapperReport[] = [];
    const messages: [string, MqttMessage][] = [];
    mapper.on("output", (_output, { route, content }) => {
        if (route.operation === "upload") reports.push(content as MapperReport);
    });
    mapper.on("mqtt", (output, message) => messages.push([output, message]));
    await mapper.start();
    const send = (operation: string, content: unknown) =>
        mapper.receive(newEnvelope({ route: { operation, resource: deviceResource(ID) }, content }));
    await send("update", { device: given, model: described, instance: resolveDevice(given, described) });
    return { mapper, clock, reports, messages, send, take: () => reports.splice(0) };
}

test("topics of the model are subscribed for the device, once each, and given up with it", async () => {
    const { messages, send } = await startMapper();
    expect(messages).toEqual([
        ["subscribe", { action: "subscribe", topic: [{ topic: "meters/meter-1/available", qos: 1 }] }],
        ["subscribe", { action: "subscribe", topic: [{ topic: "meters/meter-1/state", qos: 1 }] }],
    ]);
    await send("update", { instance: resolveDevice(device, model) });
    expect(messages).toHaveLength(2);
    await send("delete", {});
    expect(messages.slice(2).map(([, { action }]) => action)).toEqual(["unsubscribe", "unsubscribe"]);
});

test("values are read by JSON pointer, typed, with the time that the device gives", async () => {
    const { mapper, take } = await startMapper();
    const payload = Buffer.from('{"power":{"w":412.5},"relay":"on","at":"2026-01-01T12:00:00Z"}');
    mapper.receiveMqtt({ topic: "meters/meter-1/state", payload });
    expect(take()).toEqual([
        { state: "online" },
        {
            reported: {
                power: { value: 412.5, timestamp: Date.UTC(2026, 0, 1, 12) },
                relay: { value: true, timestamp: undefined },
            },
        },
    ]);
});

test("a payload without the value marks the property as bad and spoils nothing else", async () => {
    const { mapper, take } = await startMapper();
    mapper.receiveMqtt({ topic: "meters/meter-1/state", payload: '{"relay":"off"}' });
    expect(take()[1]).toMatchObject({ reported: { power: { quality: "bad" }, relay: { value: false } } });
    mapper.receiveMqtt({ topic: "meters/meter-1/state", payload: "\u0000 not JSON" });
    expect(take()[0]).toMatchObject({ reported: { power: { quality: "bad" }, relay: { quality: "bad" } } });
    mapper.receiveMqtt({ topic: "meters/meter-2/state", payload: "{}" });
    mapper.receiveMqtt({ payload: 5 });
    expect(take()).toEqual([]);
});

test("a desired value is published as the device wants it, and confirmed", async () => {
    const { messages, take, send } = await startMapper();
    await send(WRITE, { id: "w", property: "relay", value: true });
    expect(messages.at(-1)).toEqual([
        "publish",
        { topic: "meters/meter-1/set", payload: '{"relay":true}', qos: 1, retain: false },
    ]);
    await send(WRITE, { id: "x", property: "power", value: 1 });
    expect(take()).toMatchObject([
        { written: { relay: { id: "w" } } },
        { written: { power: { id: "x", error: expect.any(String) } } },
    ]);
});

test("offline by its availability topic, or by silence", async () => {
    const { mapper, clock, take } = await startMapper();
    mapper.receiveMqtt({ topic: "meters/meter-1/available", payload: "online" });
    mapper.receiveMqtt({ topic: "meters/meter-1/available", payload: "offline" });
    const reported = (reason: string) => {
        const bad = { value: null, quality: "bad", reason };
        return { power: bad, relay: bad };
    };
    expect(take()).toEqual([
        { state: "online" },
        { state: "offline", reported: reported("it says so itself, on meters/meter-1/available") },
    ]);
    mapper.receiveMqtt({ topic: "meters/meter-1/state", payload: '{"power":{"w":1},"relay":"on"}' });
    await clock.advance(59_999);
    expect(take().map(({ state }) => state)).toEqual(["online", undefined]);
    await clock.advance(1);
    const silence = reported("no message for 60 s on meters/meter-1/state");
    expect(take()).toEqual([{ state: "offline", reported: silence }]);
});

test("a device that was never heard of is offline after its timeout, too, and says which topic was silent", async () => {
    const { clock, take } = await startMapper();
    await clock.advance(60_000);
    const reason = "no message for 60 s on meters/meter-1/state";
    expect(take()).toMatchObject([{ state: "offline", reported: { power: { reason } } }]);
});

test("a property without any topic is told as bad; the device's others are read", async () => {
    const spec = (device as { spec: { properties: object[] } }).spec;
    const broken = {
        ...device,
        spec: { ...spec, properties: [...spec.properties, { name: "lost", visitors: { configData: {} } }] },
    };
    const { take, messages } = await startMapper(broken);
    expect(take()).toMatchObject([{ reported: { lost: { quality: "bad" } } }]);
    expect(messages).toHaveLength(2);
});

test("bytes are the payload as it is, both ways; in JSON they are base64", async () => {
    const visitors = (more: object) => ({ protocolName: "mqtt", configData: { topic: "cam/shot", ...more } });
    const bytes = {
        ...device,
        spec: {
            protocol: { protocolName: "mqtt", configData: {} },
            properties: [
                { name: "shot", visitors: visitors({ writeTopic: "cam/set" }) },
                {
                    name: "part",
                    visitors: visitors({ pointer: "/b", writeTopic: "cam/set", writeTemplate: "[{value}]" }),
                },
            ],
        },
    };
    const types = ["shot", "part"].map((name) => ({ name, type: "BYTES", accessMode: "ReadWrite" }));
    const { mapper, take, send, messages } = await startMapper(bytes, { ...model, spec: { properties: types } });
    mapper.receiveMqtt({ topic: "cam/shot", payload: Buffer.from([0xff, 0, 0x80]) });
    expect(take()[1]?.reported).toMatchObject({ shot: { value: "/wCA" }, part: { quality: "bad" } });
    mapper.receiveMqtt({ topic: "cam/shot", payload: '{"b":"AAE="}' });
    expect(take()[0]?.reported?.["part"]).toMatchObject({ value: "AAE=" });
    for (const property of ["shot", "part"]) await send(WRITE, { id: property, property, value: "/wCA" });
    expect(messages.slice(-2).map(([, { payload }]) => payload)).toEqual([Buffer.from([0xff, 0, 0x80]), "[/wCA]"]);
});

test("a device that changes is asked for again, so that what was still to be written is", async () => {
    const { mapper, send } = await startMapper();
    const asked: string[] = [];
    mapper.on("output", (_output, { route }) => asked.push(`${route.operation} ${route.resource}`));
    const spec = (device as { spec: { properties: object[] } }).spec;
    const changed = { ...device, spec: { ...spec, properties: spec.properties.slice(0, 1) } };
    await send("update", { instance: resolveDevice(changed, model) });
    expect(asked).toEqual(["query default/device/meter-1"]);
});
