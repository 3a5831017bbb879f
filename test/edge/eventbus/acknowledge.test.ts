// SPDX-License-Identifier: Apache-2.0
import { connect as connectTcp } from "node:net";
import { connect, connectAsync, type IClientOptions, type MqttClient } from "mqtt";
import { generate, parser } from "mqtt-packet";
import { afterEach, expect, test } from "vitest";
import { parseConfig } from "../../../src/core/config.ts";
import { RedgeError } from "../../../src/core/errors/redge-error.ts";
import { silentLogger } from "../../../src/core/log.ts";
import { ManualClock } from "../../../src/core/manual-clock.ts";
import { noMetrics } from "../../../src/core/metrics.ts";
import { DeviceTwin, type DeviceTwinConfig, deviceTwinConfig } from "../../../src/edge/devicetwin/index.ts";
import { EventBus, type EventBusConfig, eventBusConfig } from "../../../src/edge/eventbus/index.ts";
import { type Envelope, newEnvelope, responseTo } from "../../../src/envelope/envelope.ts";
import { MemoryStore } from "../../../src/store/memory-store.ts";
import type { DocumentStore, StoreOp } from "../../../src/store/store.ts";

/** Longer than EventBus waits for a receipt, and than it keeps a message in its journal. */
const PATIENCE_MS = 300;
const SILENCE_MS = 31_000;
const TOPIC = "default/user/a";

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** A disk that takes nothing for a while: writes wait, or fail. */
class Disk {
    readonly store: DocumentStore;
    full = false;
    #open: Promise<void> = Promise.resolve();

    constructor() {
        const memory = new MemoryStore();
        this.store = {
            get: (key) => memory.get(key),
            scan: (prefix, options) => memory.scan(prefix, options),
            close: () => memory.close(),
            write: async (ops: readonly StoreOp[]) => {
                await this.#open;
                if (this.full) throw new RedgeError("REDGE_STORE_FULL", { path: "the disk", reason: "full" });
                await memory.write(ops);
            },
        };
    }

    stall(): () => void {
        let go: () => void = () => {};
        this.#open = new Promise((resolve) => {
            go = resolve;
        });
        return go;
    }
}

/** What lies behind EventBus' outputs takes a message and, when told to, gives a receipt. */
async function startBus(store: DocumentStore = new MemoryStore()) {
    const clock = new ManualClock();
    const ports = { clock, log: silentLogger, metrics: noMetrics, random: () => 0.5, store };
    const bus = new EventBus(parseConfig<EventBusConfig>(eventBusConfig, { port: 0 }), ports);
    const sent: Envelope[] = [];
    const waiting: (() => void)[] = [];
    bus.on("output", (_output, envelope) => {
        sent.push(envelope);
        for (const check of waiting.splice(0)) check();
    });
    await bus.start();
    cleanups.push(() => bus.stop());
    const arrived = async (count: number): Promise<readonly Envelope[]> => {
        while (sent.length < count) await new Promise<void>((resolve) => waiting.push(resolve));
        return sent;
    };
    return { bus, clock, sent, arrived };
}

async function client(bus: EventBus, options: IClientOptions = {}): Promise<MqttClient> {
    const connected = await connectAsync(`mqtt://127.0.0.1:${bus.port}`, { reconnectPeriod: 0, ...options });
    cleanups.push(() => connected.endAsync(true));
    return connected;
}

/** Everything that the broker has done until now has reached its clients. */
async function roundTrip(bus: EventBus): Promise<void> {
    const other = await client(bus);
    await other.publishAsync("plant/other", "x", { qos: 1 });
    await other.endAsync();
}

const receipt = (message: Envelope | undefined, operation = "response"): Envelope =>
    responseTo(message ?? newEnvelope({ route: { operation: "", resource: "none" }, content: null }), "OK", {
        operation,
    });

test.each([1, 2] as const)("QoS %i is acknowledged after the receipt, in the order of the messages", async (qos) => {
    const { bus, arrived } = await startBus();
    const device = await client(bus);
    const acknowledged: number[] = [];
    const all = [0, 1, 2].map((n) => device.publishAsync(TOPIC, String(n), { qos }).then(() => acknowledged.push(n)));
    const messages = await arrived(3);
    expect(messages.map(({ content, header }) => [content, header.sync])).toEqual([
        ["0", true],
        ["1", true],
        ["2", true],
    ]);
    await bus.receive(receipt(messages[2]));
    await bus.receive(receipt(messages[1]));
    await roundTrip(bus);
    expect(acknowledged).toEqual([]);
    await bus.receive(receipt(messages[0]));
    await Promise.all(all);
    expect(acknowledged).toEqual([0, 1, 2]);
});

test("QoS 0 asks for no receipt, and other topics wait for none", async () => {
    const { bus, arrived } = await startBus();
    const device = await client(bus);
    await device.publishAsync(TOPIC, "0", { qos: 0 });
    const [message] = await arrived(1);
    expect(message?.header.sync).toBeUndefined();
    await device.publishAsync("plant/line", "1", { qos: 1 });
});

test("what cannot be stored is not acknowledged; the client sends it again", async () => {
    const { bus, arrived } = await startBus();
    const device = await client(bus, { reconnectPeriod: 1 });
    const closed = new Promise<void>((resolve) => device.once("close", () => resolve()));
    let acknowledged = false;
    const published = device.publishAsync(TOPIC, "1", { qos: 1 }).then(() => {
        acknowledged = true;
    });
    const [first] = await arrived(1);
    await bus.receive(receipt(first, "error"));
    await closed;
    expect(acknowledged).toBe(false);
    const [, again] = await arrived(2);
    expect(again?.content).toBe("1");
    await bus.receive(receipt(again));
    await published;
});

test("DeviceTwin gives its receipt when the twin is on disk, and none on a full one", async () => {
    const disk = new Disk();
    const { bus, clock, arrived } = await startBus(disk.store);
    const ports = { clock, log: silentLogger, metrics: noMetrics, random: () => 0.5, store: disk.store };
    const twin = new DeviceTwin(parseConfig<DeviceTwinConfig>(deviceTwinConfig, {}), ports);
    const receipts: string[] = [];
    twin.on("output", (output, envelope) => {
        if (output !== "eventbus") return;
        if (envelope.header.parent_msg_id !== undefined) receipts.push(envelope.route.operation);
        void bus.receive(envelope);
    });
    const refused: unknown[] = [];
    bus.on("output", (_output, envelope) => {
        twin.receive(envelope).catch((thrown: unknown) => refused.push(thrown));
    });
    await twin.start();
    cleanups.push(() => twin.stop());
    const route = { source: "devicecontroller", group: "twin", operation: "update", resource: "membership" };
    const added_devices = [{ id: "default/meter", name: "meter" }];
    await twin.receive(newEnvelope({ route, content: { event_id: "", timestamp: 0, added_devices } }));

    const topic = "$hw/events/device/default/meter/twin/update";
    const report = (value: string): string => JSON.stringify({ twin: { level: { actual: { value } } } });
    const device = await client(bus, { reconnectPeriod: 1 });
    const go = disk.stall();
    let acknowledged = false;
    const stored = device.publishAsync(topic, report("1"), { qos: 1 }).then(() => {
        acknowledged = true;
    });
    await arrived(1);
    await roundTrip(bus);
    expect(acknowledged).toBe(false);
    go();
    await stored;
    expect(await disk.store.get("devicetwin/twin/default/meter")).toMatchObject({
        twin: { level: { actual: { value: "1" } } },
    });

    disk.full = true;
    const closed = new Promise<void>((resolve) => device.once("close", () => resolve()));
    const second = device.publishAsync(topic, report("2"), { qos: 1 });
    await closed;
    expect(receipts).toEqual(["response", "error"]);
    expect(refused).toMatchObject([{ code: "REDGE_STORE_FULL" }]);
    disk.full = false;
    await second;
    expect(twin.records.get("default/meter")?.twin.get("level")?.actual?.value).toBe("2");
});

test("where no receipt comes the journal has the message: acknowledged, sent again after a restart, then forgotten", async () => {
    const disk = new Disk();
    const first = await startBus(disk.store);
    const device = await client(first.bus);
    const published = device.publishAsync(TOPIC, "kept", { qos: 1 });
    const [message] = await first.arrived(1);
    await first.clock.advance(PATIENCE_MS);
    await published;
    await first.bus.stop();

    const second = await startBus(disk.store);
    const again = await second.arrived(1);
    expect(again).toEqual([message]);
    // Whoever has it cannot store it: it comes once more.
    await second.bus.receive(receipt(again[0], "error"));
    await second.clock.advance(SILENCE_MS);
    expect(second.sent).toHaveLength(2);
    await second.bus.receive(receipt(again[0]));
    await second.bus.stop();
    expect(await disk.store.scan("eventbus/journal/")).toEqual([]);
    const third = await startBus(disk.store);
    expect(third.sent).toEqual([]);
});

test("a message that nobody ever says a word of leaves the journal by and by", async () => {
    const disk = new Disk();
    const { bus, clock, arrived } = await startBus(disk.store);
    const device = await client(bus);
    const published = device.publishAsync(TOPIC, "diverted", { qos: 1 });
    await arrived(1);
    await clock.advance(PATIENCE_MS);
    await published;
    expect(await disk.store.scan("eventbus/journal/")).toHaveLength(1);
    await clock.advance(SILENCE_MS);
    await bus.stop();
    expect(await disk.store.scan("eventbus/journal/")).toEqual([]);
});

test("without receipt and with a full disk there is no acknowledgement", async () => {
    const disk = new Disk();
    const { bus, clock, arrived } = await startBus(disk.store);
    const device = await client(bus, { reconnectPeriod: 1 });
    const closed = new Promise<void>((resolve) => device.once("close", () => resolve()));
    let acknowledged = false;
    const published = device.publishAsync(TOPIC, "1", { qos: 1 }).then(() => {
        acknowledged = true;
    });
    await arrived(1);
    disk.full = true;
    await clock.advance(PATIENCE_MS);
    await closed;
    expect(acknowledged).toBe(false);
    disk.full = false;
    const [, again] = await arrived(2);
    await bus.receive(receipt(again));
    await published;
});

test("EventBus stops: whoever still waits is not acknowledged", async () => {
    const { bus, arrived } = await startBus();
    const device = connect(`mqtt://127.0.0.1:${bus.port}`, { reconnectPeriod: 0 });
    const closed = new Promise<void>((resolve) => device.once("close", () => resolve()));
    let acknowledged = false;
    device.publish(TOPIC, "1", { qos: 1 }, (error) => {
        acknowledged = error === undefined || error === null;
    });
    await arrived(1);
    await bus.stop();
    await closed;
    expect(acknowledged).toBe(false);
    await device.endAsync(true);
});

test("a retained message of QoS 1 is on disk before it is acknowledged", async () => {
    const disk = new Disk();
    const { bus } = await startBus(disk.store);
    const device = await client(bus, { reconnectPeriod: 1 });
    await device.publishAsync("plant/a", "1", { qos: 1, retain: true });
    expect(await disk.store.scan("eventbus/retained/plant/a")).toHaveLength(1);
    disk.full = true;
    const closed = new Promise<void>((resolve) => device.once("close", () => resolve()));
    const published = device.publishAsync("plant/b", "2", { qos: 1, retain: true });
    await closed;
    disk.full = false;
    await published;
    expect(await disk.store.scan("eventbus/retained/plant/b")).toHaveLength(1);
});

test("a repeat of QoS 2 is the same message until it is released, whether or not it is marked", async () => {
    const { bus, arrived, sent } = await startBus();
    const socket = connectTcp({ host: "127.0.0.1", port: bus.port });
    cleanups.push(async () => socket.destroy());
    const packets = parser();
    const seen: string[] = [];
    let check: () => void = () => {};
    packets.on("packet", ({ cmd }) => {
        seen.push(cmd);
        check();
    });
    socket.on("data", (bytes) => packets.parse(bytes));
    const saw = async (count: number): Promise<void> => {
        while (seen.length < count) {
            await new Promise<void>((resolve) => {
                check = resolve;
            });
        }
    };
    socket.write(
        generate({
            cmd: "connect",
            protocolId: "MQTT",
            protocolVersion: 4,
            clientId: "raw",
            clean: false,
            keepalive: 0,
        }),
    );
    await saw(1);
    const publish = (payload: string, dup: boolean) =>
        generate({ cmd: "publish", topic: TOPIC, payload, qos: 2, messageId: 7, dup, retain: false });
    socket.write(Buffer.concat([publish("once", false), publish("once", true), publish("once", false)]));
    await bus.receive(receipt((await arrived(1))[0]));
    await saw(4);
    expect(seen).toEqual(["connack", "pubrec", "pubrec", "pubrec"]);
    expect(sent).toHaveLength(1);
    socket.write(generate({ cmd: "pubrel", messageId: 7 }));
    await saw(5);
    socket.write(publish("another", false));
    expect((await arrived(2)).map(({ content }) => content)).toEqual(["once", "another"]);
});
