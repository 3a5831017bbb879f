// SPDX-License-Identifier: Apache-2.0
import { connect as connectTcp, type Socket } from "node:net";
import fc from "fast-check";
import { connect, connectAsync, type IClientOptions, type MqttClient } from "mqtt";
import { generate, type Packet, parser } from "mqtt-packet";
import { afterEach, describe, expect, test } from "vitest";
import { systemClock } from "../../../src/core/clock.ts";
import { parseConfig } from "../../../src/core/config.ts";
import { createLogger } from "../../../src/core/log.ts";
import { noMetrics } from "../../../src/core/metrics.ts";
import { EventBus, type EventBusConfig, eventBusConfig } from "../../../src/edge/eventbus/index.ts";
import { PacketGuard } from "../../../src/edge/eventbus/packet-guard.ts";
import { filterCovers } from "../../../src/edge/eventbus/topics.ts";
import { type Envelope, newEnvelope, responseTo } from "../../../src/envelope/envelope.ts";
import { MemoryStore } from "../../../src/store/memory-store.ts";

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function startBus(config: Partial<EventBusConfig> = {}) {
    const warnings: string[] = [];
    const log = createLogger((level, text) => {
        if (level === "warn") warnings.push(text);
    });
    const bus = new EventBus(parseConfig<EventBusConfig>(eventBusConfig, { port: 0, ...config }), {
        clock: systemClock,
        log,
        metrics: noMetrics,
        random: Math.random,
        store: new MemoryStore(),
    });
    const sent: Envelope[] = [];
    bus.on("output", (_output, envelope) => {
        sent.push(envelope);
        if (envelope.header.sync) void bus.receive(responseTo(envelope, "OK"));
    });
    await bus.start();
    cleanups.push(() => bus.stop());
    return { bus, sent, warnings };
}

async function client(bus: EventBus, options: IClientOptions = {}): Promise<MqttClient> {
    const connected = await connectAsync(`mqtt://127.0.0.1:${bus.port}`, { reconnectPeriod: 0, ...options });
    connected.on("error", () => {}); // of connections that the broker ends
    cleanups.push(() => connected.endAsync(true));
    return connected;
}

/** A client that says what the libraries would never say. */
function rawClient(
    bus: EventBus,
    will?: { topic: string },
): { socket: Socket; answered: Promise<void>; closed: Promise<void>; bytes: Buffer[] } {
    const socket = connectTcp({ host: "127.0.0.1", port: bus.port });
    const bytes: Buffer[] = [];
    socket.on("data", (chunk) => bytes.push(chunk));
    const answered = new Promise<void>((resolve) => void socket.once("data", () => resolve()).once("close", resolve));
    socket.on("error", () => {}); // a connection that the broker ends may end with a reset
    const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
    cleanups.push(async () => socket.destroy());
    const hello = { cmd: "connect", protocolId: "MQTT", protocolVersion: 4, clientId: "raw", clean: true } as const;
    const more =
        will === undefined ? {} : { will: { ...will, payload: Buffer.from("x"), qos: 1, retain: false } as const };
    socket.write(generate({ ...hello, keepalive: 0, ...more }));
    return { socket, answered, closed, bytes };
}

function publishPacket(topic: Buffer, payload: string): Buffer {
    const length = Buffer.from([topic.length >> 8, topic.length & 0xff]);
    const body = Buffer.concat([length, topic, Buffer.from(payload)]);
    return Buffer.concat([Buffer.from([0x30, body.length]), body]);
}

describe("what a client of the embedded broker may not do", () => {
    test("MQTT 5 is refused in its own words", async () => {
        const { bus, warnings } = await startBus();
        await expect(client(bus, { protocolVersion: 5 })).rejects.toMatchObject({ code: 0x84 });
        expect(warnings).toEqual([expect.stringContaining("MQTT 5")]);
        await client(bus, { protocolVersion: 4 });
    });

    test.each([
        ["NUL in it", Buffer.from("default/user/a\0b")],
        ["bytes that are no UTF-8", Buffer.from([...Buffer.from("default/user/"), 0xff])],
        ["a wildcard", Buffer.from("default/user/+")],
        ["nothing in it", Buffer.alloc(0)],
    ])("a topic with %s ends the connection, and nothing of it goes on", async (_, topic) => {
        const { bus, sent } = await startBus();
        const { socket, closed } = rawClient(bus);
        socket.write(publishPacket(topic, "x"));
        await closed;
        const other = await client(bus);
        await other.publishAsync("default/user/good", "x", { qos: 1 });
        expect(sent.map(({ route }) => route.resource)).toEqual(["default/user/good"]);
    });

    test("a will on no topic is not published; one on a topic is", async () => {
        const { bus, sent } = await startBus();
        const bad = rawClient(bus, { topic: "default/user/#" });
        await bad.answered;
        bad.socket.end();
        await bad.closed;
        const good = rawClient(bus, { topic: "default/user/gone" });
        // A will is the broker's to publish once it has let the client in.
        await good.answered;
        good.socket.end();
        await expect.poll(() => sent.length).toBe(1);
        const other = await client(bus);
        await other.publishAsync("default/user/last", "x", { qos: 1 });
        expect(sent.map(({ route }) => route.resource)).toEqual(["default/user/gone", "default/user/last"]);
    });

    test("a packet that is too long ends the connection before it is gathered; one that just fits is taken", async () => {
        const { bus, sent, warnings } = await startBus({ maxPacketBytes: 2000 });
        const topic = "default/user/a";
        const device = await client(bus);
        // Topic, its length and the message id belong to the packet.
        const room = 2000 - topic.length - 4;
        await device.publishAsync(topic, "a".repeat(room), { qos: 1 });
        const closed = new Promise<void>((resolve) => device.once("close", () => resolve()));
        device.publish(topic, "a".repeat(room + 1), { qos: 1 });
        await closed;
        expect(sent).toHaveLength(1);
        expect(warnings).toEqual([expect.stringContaining("maxPacketBytes")]);
    });

    test("one that takes over the id of another ends that one's connection", async () => {
        const { bus } = await startBus();
        const first = await client(bus, { clientId: "same" });
        const closed = new Promise<void>((resolve) => first.once("close", () => resolve()));
        const second = await client(bus, { clientId: "same" });
        await closed;
        await second.publishAsync("default/user/a", "x", { qos: 1 });
    });
});

describe("a subscriber that reads nothing", () => {
    const CHUNK = Buffer.alloc(64 * 1024);
    /** Far more than its connection and the broker hold for it. */
    const FLOOD = 400;

    /** Subscribes and stops reading. */
    async function stuck(bus: EventBus, qos: 0 | 1, clean: boolean): Promise<Socket> {
        const socket = connectTcp({ host: "127.0.0.1", port: bus.port });
        socket.on("error", () => {}); // a connection that the broker ends may end with a reset
        cleanups.push(async () => socket.destroy());
        const packets = parser();
        const subscribed = new Promise<void>((resolve) =>
            packets.on("packet", ({ cmd }: Packet) => {
                if (cmd !== "suback") return;
                socket.pause();
                resolve();
            }),
        );
        socket.on("data", (bytes) => packets.parse(bytes));
        const hello = { cmd: "connect", protocolId: "MQTT", protocolVersion: 4, clientId: "stuck" } as const;
        socket.write(generate({ ...hello, clean, keepalive: 0 }));
        socket.write(generate({ cmd: "subscribe", messageId: 1, subscriptions: [{ topic: "flood/#", qos }] }));
        await subscribed;
        return socket;
    }

    async function flood(bus: EventBus): Promise<void> {
        const reader = await client(bus);
        const all = new Promise<void>((resolve) => {
            let left = FLOOD;
            reader.on("message", () => {
                left -= 1;
                if (left === 0) resolve();
            });
        });
        await reader.subscribeAsync("flood/#", { qos: 1 });
        const route = { source: "twin", operation: "publish" };
        for (let n = 0; n < FLOOD; n += 1)
            await bus.receive(
                newEnvelope({
                    route: { ...route, resource: `flood/${n}` },
                    content: { payload: CHUNK.toString("latin1"), qos: 1 },
                }),
            );
        await all;
    }

    test("holds up nobody; at QoS 0 it misses what it does not read", async () => {
        const { bus, warnings } = await startBus();
        const socket = await stuck(bus, 0, true);
        await flood(bus);
        expect(warnings).toEqual([expect.stringContaining("misses messages of QoS 0")]);
        expect(socket.destroyed).toBe(false);
    });

    test("at QoS 1 it is cut off, and its session has what it did not read", async () => {
        const { bus, warnings } = await startBus();
        await stuck(bus, 1, false);
        await flood(bus);
        expect(warnings).toEqual([expect.stringContaining("disconnected")]);
        const back = connect(`mqtt://127.0.0.1:${bus.port}`, { clientId: "stuck", clean: false, reconnectPeriod: 0 });
        cleanups.push(() => back.endAsync(true));
        const seen = new Set<string>();
        const all = new Promise<void>((resolve) =>
            back.on("message", (topic) => {
                seen.add(topic);
                if (seen.size === FLOOD) resolve();
            }),
        );
        await all;
    });
});

test.each([
    ["plant/+", "plant/a", true],
    ["plant/+", "plant/+", true],
    ["plant/+", "plant/#", false],
    ["plant/+", "plant/+/a", false],
    ["plant/#", "plant/+/a", true],
    ["plant/#", "plant", true],
    ["plant/a", "plant/+", false],
    ["+", "#", false],
    ["+/+", "#", false],
    ["#", "#", true],
    ["#", "$SYS/#", false],
    ["$SYS/#", "$SYS/+", true],
])("%s covers %s: %s", (filter, wanted, covers) => {
    expect(filterCovers(filter, wanted)).toBe(covers);
});

test("packets are told apart however they are cut; none beyond the limit is admitted", () => {
    const packet = fc.nat({ max: 40_000 }).map((size) => {
        const topic = "t";
        return {
            size: size + 3,
            bytes: generate({ cmd: "publish", topic, payload: "x".repeat(size), qos: 0, dup: false, retain: false }),
        };
    });
    fc.assert(
        fc.property(fc.array(packet, { maxLength: 6 }), fc.integer({ min: 1, max: 5000 }), (packets, cut) => {
            const guard = new PacketGuard(20_000);
            const stream = Buffer.concat(packets.map(({ bytes }) => bytes));
            let admitted = true;
            for (let at = 0; at < stream.length && admitted; at += cut)
                admitted = guard.admits(stream.subarray(at, at + cut));
            expect(admitted).toBe(packets.every(({ size }) => size <= 20_000));
        }),
        { numRuns: 200 },
    );
    expect(new PacketGuard(1000).admits(Buffer.from([0x30, 0xff, 0xff, 0xff, 0xff]))).toBe(false);
});
