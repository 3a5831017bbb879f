// SPDX-License-Identifier: Apache-2.0
import { createRequire } from "node:module";
import { connect, connectAsync, type IClientOptions, type MqttClient } from "mqtt";
import { afterEach, describe, expect, test } from "vitest";
import { systemClock } from "../../../src/core/clock.ts";
import { parseConfig } from "../../../src/core/config.ts";
import { silentLogger } from "../../../src/core/log.ts";
import { noMetrics } from "../../../src/core/metrics.ts";
import { EventBus, type EventBusConfig, eventBusConfig } from "../../../src/edge/eventbus/index.ts";
import { decodeEnvelope, encodeEnvelope } from "../../../src/envelope/codec.ts";
import { type Envelope, newEnvelope, type Route, responseTo } from "../../../src/envelope/envelope.ts";
import { contentOf, payloadIn } from "../../../src/envelope/payload.ts";
import { MemoryStore } from "../../../src/store/memory-store.ts";
import type { DocumentStore } from "../../../src/store/store.ts";

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function startBus(config: Partial<EventBusConfig> = {}, store: DocumentStore = new MemoryStore()) {
    const bus = new EventBus(parseConfig<EventBusConfig>(eventBusConfig, { port: 0, ...config }), {
        clock: systemClock,
        log: silentLogger,
        metrics: noMetrics,
        random: () => 0.5,
        store,
    });
    const waiting: ((told: [string, Envelope]) => void)[] = [];
    const told: [string, Envelope][] = [];
    bus.on("output", (output, envelope) => {
        // As DeviceTwin and EdgeHub do when they have it on disk.
        if (envelope.header.sync) void bus.receive(responseTo(envelope, "OK"));
        const next = waiting.shift();
        if (next === undefined) told.push([output, envelope]);
        else next([output, envelope]);
    });
    await bus.start();
    cleanups.push(() => bus.stop());
    const next = (): Promise<[string, Envelope]> => {
        const first = told.shift();
        return first === undefined ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(first);
    };
    return { bus, next };
}

async function client(bus: EventBus, options: IClientOptions = {}): Promise<MqttClient> {
    const connected = await connectAsync(`mqtt://127.0.0.1:${bus.port}`, { reconnectPeriod: 0, ...options });
    cleanups.push(() => connected.endAsync(true));
    return connected;
}

const envelope = (route: Route, content: unknown): Envelope => newEnvelope({ route, content });

function nextMessage(from: MqttClient): Promise<{ topic: string; text: string; qos: number; retain: boolean }> {
    return new Promise((resolve) =>
        from.once("message", (topic, payload, { qos, retain }) =>
            resolve({ topic, text: payload.toString(), qos, retain }),
        ),
    );
}

describe("EventBus with its embedded broker", () => {
    test("holds no buffer for each packet id there can be", async () => {
        const { bus } = await startBus();
        const reader = await client(bus);
        await reader.subscribeAsync("plant/#", { qos: 1 });
        const arrived = nextMessage(reader);
        await reader.publishAsync("plant/line", "1", { qos: 1 });
        expect(await arrived).toMatchObject({ topic: "plant/line", text: "1", qos: 1 });
        const { cache } = createRequire(import.meta.url)("mqtt-packet/numbers.js") as { cache: object };
        expect(Object.keys(cache)).toEqual([]);
    });

    test("documents of devices go to DeviceTwin, user topics and records to the cloud", async () => {
        const { bus, next } = await startBus();
        const device = await client(bus);
        const topic = "$hw/events/device/default/thermo-1/twin/update";
        await device.publishAsync(topic, '{"event_id":"e"}', { qos: 1 });
        expect(await next()).toMatchObject([
            "devicetwin",
            {
                route: { source: "bus", group: "user", operation: "response", resource: topic },
                content: { event_id: "e" },
            },
        ]);
        await device.publishAsync("default/user/telemetry", '{"v":1}', { qos: 1 });
        expect(await next()).toMatchObject([
            "edgehub",
            {
                route: { source: "bus", group: "user", operation: "upload", resource: "default/user/telemetry" },
                content: '{"v":1}',
            },
        ]);
        for (const payload of [Buffer.from("Wärme \u0000\ufffd"), Buffer.from([0x80, 0xff, 0])]) {
            await device.publishAsync("SYS/dis/upload_records", payload, { qos: 1 });
            const [output, record] = await next();
            expect([output, record.route.resource]).toEqual(["edgehub", "SYS/dis/upload_records"]);
            // Over the link and out of it again.
            expect(Buffer.from(payloadIn(decodeEnvelope(encodeEnvelope(record))))).toEqual(payload);
        }
    });

    test("other topics, and what the bus publishes itself, stay on the broker", async () => {
        const { bus, next } = await startBus();
        const device = await client(bus);
        await device.publishAsync("plant/line/1", "x", { qos: 1 });
        await bus.receive(envelope({ operation: "publish", resource: "a/user/b" }, "own"));
        await device.publishAsync("a/user/b", "client's", { qos: 1 });
        expect(await next()).toMatchObject(["edgehub", { content: "client's" }]);
    });

    test("what DeviceTwin and the cloud publish reaches clients; QoS and retention per message", async () => {
        const { bus } = await startBus();
        const app = await client(bus);
        await app.subscribeAsync("#", { qos: 2 });
        await app.subscribeAsync("$hw/events/device/+/+/twin/update/result", { qos: 2 });
        let arrived = nextMessage(app);
        const result = "$hw/events/device/default/thermo-1/twin/update/result";
        await bus.receive(envelope({ source: "twin", operation: "publish", resource: result }, { code: 404 }));
        expect(await arrived).toEqual({ topic: result, text: '{"code":404}', qos: 1, retain: false });
        arrived = nextMessage(app);
        await bus.receive(
            envelope(
                { source: "router_eventbus", operation: "publish", resource: "cmd/in" },
                { payload: "go", qos: 2, retain: true },
            ),
        );
        expect(await arrived).toMatchObject({ topic: "cmd/in", text: "go", qos: 2 });
        const late = await client(bus);
        arrived = nextMessage(late);
        await late.subscribeAsync("cmd/in", { qos: 2 });
        expect(await arrived).toMatchObject({ text: "go", retain: true });
    });

    test("bytes that the cloud publishes arrive as they are", async () => {
        const { bus } = await startBus();
        const app = await client(bus);
        await app.subscribeAsync("cmd/#");
        const arrived = new Promise((resolve) => app.once("message", (_topic, payload) => resolve(payload)));
        const bytes = Buffer.from([0xff, 0, 0x80]);
        const route = { source: "router_eventbus", group: "user", operation: "publish", resource: "cmd/in" };
        const message = newEnvelope({ route, ...contentOf(bytes) });
        // Over the link and out of it again.
        await bus.receive(decodeEnvelope(encodeEnvelope(message)));
        expect(await arrived).toEqual(bytes);
    });

    test("topics that the cloud subscribes survive a restart, and end with unsubscribe", async () => {
        const store = new MemoryStore();
        const first = await startBus({}, store);
        const user = { source: "router_eventbus", group: "user" };
        await first.bus.receive(envelope({ ...user, operation: "subscribe", resource: "default/telemetry" }, null));
        await first.bus.stop();
        const { bus, next } = await startBus({}, store);
        const device = await client(bus);
        await device.publishAsync("default/telemetry", "1", { qos: 1 });
        expect(await next()).toMatchObject(["edgehub", { route: { resource: "default/telemetry" }, content: "1" }]);
        await bus.receive(envelope({ ...user, operation: "unsubscribe", resource: "default/telemetry" }, null));
        await device.publishAsync("default/telemetry", "2", { qos: 1 });
        await device.publishAsync("x/user/y", "3", { qos: 1 });
        expect(await next()).toMatchObject(["edgehub", { content: "3" }]);
    });

    test("retained messages outlive a restart, the newest of each topic, until they are cleared", async () => {
        const store = new MemoryStore();
        const first = await startBus({}, store);
        const device = await client(first.bus);
        for (const text of ["old", "new"]) await device.publishAsync("plant/a", text, { qos: 1, retain: true });
        await device.publishAsync("plant/gone", "x", { qos: 1, retain: true });
        await device.publishAsync("plant/gone", "", { qos: 1, retain: true });
        await device.publishAsync("plant/bytes", Buffer.from([0xff, 0x00]), { qos: 1, retain: true });
        await device.publishAsync("plant/passing", "x", { qos: 1 });
        await first.bus.stop();
        const second = await startBus({}, store);
        const app = await client(second.bus);
        const seen: [string, string][] = [];
        const both = new Promise<void>((resolve) =>
            app.on("message", (topic, payload) => {
                seen.push([topic, payload.toString("hex")]);
                if (topic === "plant/end") resolve();
            }),
        );
        await app.subscribeAsync("plant/#", { qos: 1 });
        await device.endAsync(true);
        await app.publishAsync("plant/end", "", { qos: 1 });
        await both;
        expect(seen.sort()).toEqual([
            ["plant/a", Buffer.from("new").toString("hex")],
            ["plant/bytes", "ff00"],
            ["plant/end", ""],
        ]);
    });

    describe("the session of a client", () => {
        const session: IClientOptions = { clientId: "app", clean: false };
        const arrivals = async (bus: EventBus, options: IClientOptions, last: string) => {
            const app = connect(`mqtt://127.0.0.1:${bus.port}`, { reconnectPeriod: 0, ...options });
            cleanups.push(() => app.endAsync(true));
            const seen: string[] = [];
            await new Promise<void>((resolve) =>
                app.on("message", (topic, payload, { qos }) => {
                    seen.push(`${topic} ${qos} ${payload.toString("hex")}`);
                    if (topic === last) resolve();
                }),
            );
            return { app, seen };
        };

        test("outlives restarts: what it missed comes in order, and it need not subscribe again", async () => {
            const store = new MemoryStore();
            const first = await startBus({}, store);
            const app = await client(first.bus, session);
            await app.subscribeAsync({ "plant/#": { qos: 2 }, "quick/#": { qos: 0 }, "left/#": { qos: 1 } });
            await app.unsubscribeAsync("left/#");
            await app.endAsync();
            const device = await client(first.bus);
            await device.publishAsync("plant/a", Buffer.from([0xff, 0]), { qos: 1 });
            await first.bus.stop();

            const second = await startBus({}, store);
            await second.bus.receive(envelope({ operation: "publish", resource: "plant/b" }, { payload: "2", qos: 2 }));
            for (const topic of ["quick/c", "left/d"])
                await second.bus.receive(envelope({ operation: "publish", resource: topic }, "x"));
            await second.bus.receive(envelope({ operation: "publish", resource: "plant/end" }, "e"));
            await second.bus.stop();

            const third = await startBus({}, store);
            const { app: back, seen } = await arrivals(third.bus, session, "plant/end");
            expect(seen).toEqual(["plant/a 1 ff00", "plant/b 2 32", "plant/end 1 65"]);
            const live = nextMessage(back);
            await third.bus.receive(envelope({ operation: "publish", resource: "plant/live" }, "now"));
            expect(await live).toMatchObject({ topic: "plant/live" });
            // Acknowledged before it leaves: nothing comes twice.
            await back.endAsync();
            await third.bus.receive(envelope({ operation: "publish", resource: "plant/last" }, "z"));
            await third.bus.stop();
            const fourth = await startBus({}, store);
            expect((await arrivals(fourth.bus, session, "plant/last")).seen).toEqual(["plant/last 1 7a"]);
        });

        test("ends with a clean one, and nothing of it is left on disk", async () => {
            const store = new MemoryStore();
            const { bus } = await startBus({}, store);
            const app = await client(bus, session);
            await app.subscribeAsync("plant/#", { qos: 1 });
            await app.endAsync();
            await bus.receive(envelope({ operation: "publish", resource: "plant/a" }, "x"));
            expect(await store.scan("eventbus/session/")).toHaveLength(2);
            await client(bus, { clientId: "app", clean: true });
            expect(await store.scan("eventbus/session/")).toEqual([]);
        });

        test("keeps as many messages as are asked for, the newest", async () => {
            const store = new MemoryStore();
            const { bus } = await startBus({ queueLimit: 2 }, store);
            const app = await client(bus, session);
            await app.subscribeAsync("plant/#", { qos: 1 });
            await app.endAsync();
            for (const name of ["a", "b", "c"])
                await bus.receive(envelope({ operation: "publish", resource: `plant/${name}` }, name));
            expect(await store.scan("eventbus/session/queued/")).toHaveLength(2);
            expect((await arrivals(bus, session, "plant/c")).seen).toEqual(["plant/b 1 62", "plant/c 1 63"]);
        });

        test("gives nobody what he may not read, whatever else was asked for with it", async () => {
            const user = { username: "u", password: "p" };
            const users = JSON.stringify([
                { ...user, subscribe: ["own/#"] },
                { username: "all", password: "p" },
            ]);
            const store = new MemoryStore();
            const { bus } = await startBus({ users }, store);
            const app = await client(bus, { ...session, ...user });
            const granted = await app
                .subscribeAsync({ "own/a": { qos: 1 }, "secret/a": { qos: 1 } })
                .catch((e: Error) => e);
            expect(JSON.stringify(granted)).toContain("128");
            await app.endAsync();
            const whole = { ...session, clientId: "whole" };
            const other = await client(bus, { ...whole, username: "all", password: "p" });
            await other.subscribeAsync("#", { qos: 1 });
            await other.endAsync();
            for (const topic of ["secret/a", "own/a"])
                await bus.receive(envelope({ operation: "publish", resource: topic }, "x"));
            expect((await arrivals(bus, { ...session, ...user }, "own/a")).seen).toEqual(["own/a 1 78"]);
            // Another user comes for that session: he gets of it what he may read.
            expect((await arrivals(bus, { ...whole, ...user }, "own/a")).seen).toEqual(["own/a 1 78"]);
        });
    });

    test("the state of the link is retained", async () => {
        const { bus } = await startBus({ nodeName: "gw" });
        await bus.receive(envelope({ source: "edgehub", operation: "connect", resource: "link" }, null));
        const app = await client(bus);
        const arrived = nextMessage(app);
        await app.subscribeAsync("$hw/events/node/gw/link");
        const { text, retain } = await arrived;
        expect([JSON.parse(text), retain]).toMatchObject([{ state: "connected" }, true]);
    });

    test("users: a wrong password is refused, and each may only use the topics given", async () => {
        const users = JSON.stringify([
            { username: "line", password: "right", publish: ["default/user/#"], subscribe: ["plant/#"] },
        ]);
        const { bus, next } = await startBus({ users });
        await expect(client(bus, { username: "line", password: "wrong" })).rejects.toMatchObject({ code: 4 });
        await expect(client(bus)).rejects.toMatchObject({ code: 4 });
        const line = await client(bus, { username: "line", password: "right" });
        const grants = await line
            .subscribeAsync({ "plant/a": { qos: 0 }, "other/a": { qos: 0 } })
            .catch((e: Error) => e);
        expect(JSON.stringify(grants)).toContain("128");
        await line.publishAsync("default/user/a", "ok", { qos: 1 });
        expect(await next()).toMatchObject(["edgehub", { content: "ok" }]);
    });

    test("a taken port is one clear error", async () => {
        const { bus } = await startBus();
        await expect(startBus({ port: bus.port })).rejects.toMatchObject({ code: "REDGE_EVENTBUS_LISTEN" });
    });

    test("an impossible topic is refused", async () => {
        const { bus } = await startBus();
        for (const resource of ["", "a/#", "a/\0"]) {
            await expect(bus.receive(envelope({ operation: "publish", resource }, ""))).rejects.toMatchObject({
                code: "REDGE_DEVICE_MESSAGE",
            });
        }
    });
});
