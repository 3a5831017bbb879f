// SPDX-License-Identifier: Apache-2.0
import { connectAsync, type MqttClient } from "mqtt";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { systemClock } from "../../../src/core/clock.ts";
import { parseConfig } from "../../../src/core/config.ts";
import { silentLogger } from "../../../src/core/log.ts";
import { noMetrics } from "../../../src/core/metrics.ts";
import { EventBus, type EventBusConfig, eventBusConfig } from "../../../src/edge/eventbus/index.ts";
import { MemoryStore } from "../../../src/store/memory-store.ts";
import { startTwin, thermo, thermoModel } from "./harness.ts";

/** Every way to spoil a field. What stands in JSON for it; undefined: the field is left out. */
const KINDS = {
    missing: undefined,
    null: "null",
    text: '"x"',
    number: "7",
    boolean: "true",
    list: "[]",
    object: "{}",
    huge: JSON.stringify("x".repeat(100_000)),
    "not UTF-8": '"\u00ff\u00fe"',
} as const;
type Kind = keyof typeof KINDS;

const DEVICE = "$hw/events/device/default/thermo-1";
const STAMP: Fields = { event_id: ["missing", "null", "text", "huge"], timestamp: ["missing", "null", "number"] };
const VALUE: Fields = {
    value: ["text"],
    metadata: ["missing", "null", "object"],
    "metadata.timestamp": ["missing", "null", "number"],
};
const VERSION: Fields = {
    "": ["missing", "null", "object"],
    ".cloud": ["missing", "null", "number"],
    ".edge": ["missing", "null", "number"],
};

/** A field by its path, and the kinds that are no error for it (device plane reference 3.3 and 3.8). */
type Fields = Readonly<Record<string, readonly Kind[]>>;

const below = (path: string, fields: Fields, dot = "."): Fields =>
    Object.fromEntries(Object.entries(fields).map(([name, kinds]) => [`${path}${dot}${name}`, kinds]));

interface Document {
    readonly topic: string;
    readonly right: object;
    readonly fields: Fields;
}

const stamp = { event_id: "e", timestamp: 1 };
const value = { value: "1", metadata: { timestamp: 1_700_000_000_000 } };
const version = { cloud: 0, edge: 1 };
const probe = {
    expected: value,
    actual: value,
    optional: true,
    metadata: { type: "string" },
    expected_version: version,
    actual_version: version,
};
const DOCUMENTS: readonly Document[] = [
    {
        topic: `${DEVICE}/twin/update`,
        right: { ...stamp, twin: { probe } },
        fields: {
            ...STAMP,
            twin: ["object"],
            "twin.probe": ["missing", "null", "object"],
            "twin.probe.optional": ["missing", "null", "boolean"],
            "twin.probe.metadata": ["missing", "null", "object"],
            // The type of a key that lives cannot be changed: what is said of it is passed over.
            "twin.probe.metadata.type": ["missing", "null", "text", "huge"],
            "twin.probe.expected": ["missing", "null"],
            "twin.probe.actual": ["missing", "null"],
            ...below("twin.probe.expected", VALUE),
            ...below("twin.probe.actual", VALUE),
            ...below("twin.probe.expected_version", VERSION, ""),
            ...below("twin.probe.actual_version", VERSION, ""),
        },
    },
    { topic: `${DEVICE}/twin/get`, right: stamp, fields: STAMP },
    {
        topic: `${DEVICE}/state/update`,
        right: { ...stamp, state: "online" },
        // "x" is text, and no state.
        fields: {
            ...STAMP,
            state: [],
            attributes: Object.keys(KINDS).filter((kind) => kind !== "not UTF-8") as Kind[],
        },
    },
    { topic: "$hw/events/node/edge/membership/get", right: stamp, fields: STAMP },
];

const MARK = "@spoilt@";

/** The document with that field as the kind says, in bytes. */
function spoilt(right: object, path: string, kind: Kind): Buffer {
    // Through JSON: a clone would keep what two fields share.
    const copy = JSON.parse(JSON.stringify(right)) as Record<string, unknown>;
    const names = path.split(".");
    const last = names.pop() ?? "";
    let at = copy;
    for (const name of names) at = at[name] as Record<string, unknown>;
    const json = KINDS[kind];
    if (json === undefined) delete at[last];
    else at[last] = MARK;
    const text = JSON.stringify(copy).replace(JSON.stringify(MARK), () => json ?? "");
    // In latin1 the two letters are bytes that UTF-8 does not know.
    return Buffer.from(text, kind === "not UTF-8" ? "latin1" : "utf8");
}

const WHOLE: readonly (readonly [string, Buffer])[] = [
    ["empty", Buffer.alloc(0)],
    ["no JSON", Buffer.from("hello")],
    ["cut short", Buffer.from('{"event_id":"e"')],
    ["null", Buffer.from("null")],
    ["a number", Buffer.from("7")],
    ["text", Buffer.from('"x"')],
    ["a list", Buffer.from("[{}]")],
    ["a million letters", Buffer.alloc(1_000_000, "x")],
    ["nested a hundred thousand times", Buffer.from(`${"[".repeat(100_000)}${"]".repeat(100_000)}`)],
    ["not UTF-8", Buffer.from([0xff, 0xfe, 0x00])],
    ["zero bytes", Buffer.alloc(100)],
];
const KEYS = ["", "x".repeat(129), "a\nb", "a{b}", "\u0000"];

describe("every MQTT document with a fault, over a real broker", () => {
    let client: MqttClient;
    const arrived: { topic: string; document: { code?: number; reason?: string; event_id?: string } }[] = [];
    let wake: () => void = () => {};
    const stops: (() => Promise<unknown>)[] = [];

    beforeAll(async () => {
        const harness = await startTwin({ nodeName: "edge" });
        await harness.cloud("insert", "default/devicemodel/thermo-model", thermoModel);
        await harness.cloud("insert", "default/device/thermo-1", thermo(undefined));
        const config = parseConfig<EventBusConfig>(eventBusConfig, { port: 0 });
        const ports = { clock: systemClock, log: silentLogger, metrics: noMetrics, random: Math.random };
        const bus = new EventBus(config, { ...ports, store: new MemoryStore() });
        bus.on("output", (output, envelope) => void (output === "devicetwin" && harness.twin.receive(envelope)));
        harness.twin.on("output", (output, envelope) => void (output === "eventbus" && bus.receive(envelope)));
        await bus.start();
        stops.push(() => bus.stop());
        client = await connectAsync(`mqtt://127.0.0.1:${bus.port}`, { reconnectPeriod: 0 });
        stops.push(() => client.endAsync(true));
        client.on("message", (topic, payload) => {
            arrived.push({ topic, document: JSON.parse(payload.toString()) });
            wake();
        });
        await client.subscribeAsync(DOCUMENTS.map(({ topic }) => `${topic}/result`));
    });
    afterAll(async () => {
        for (const stop of stops.reverse()) await stop();
    });

    async function ask(topic: string, payload: Buffer | string): Promise<(typeof arrived)[number]> {
        await client.publishAsync(topic, payload, { qos: 1 });
        for (;;) {
            const next = arrived.shift();
            if (next !== undefined) return next;
            await new Promise<void>((resolve) => {
                wake = resolve;
            });
        }
    }

    async function served(): Promise<void> {
        const next = JSON.stringify({ event_id: "next", twin: { probe } });
        const { topic, document } = await ask(`${DEVICE}/twin/update`, next);
        expect([topic, document.event_id, document.code]).toEqual([`${DEVICE}/twin/update/result`, "next", undefined]);
    }

    test.each(
        DOCUMENTS.flatMap(({ topic, right, fields }) =>
            Object.entries(fields).map(([path, kinds]) => [topic, path, kinds, right] as const),
        ),
    )("%s: %s", async (topic, path, kinds, right) => {
        for (const kind of Object.keys(KINDS) as Kind[]) {
            const { topic: result, document } = await ask(topic, spoilt(right, path, kind));
            const code = kinds.includes(kind) ? undefined : 400;
            expect([kind, result, document.code]).toEqual([kind, `${topic}/result`, code]);
            if (code !== undefined) expect(document.reason).toMatch(/\S/);
            await served();
        }
    });

    test.each(DOCUMENTS)("$topic: no document at all", async ({ topic }) => {
        for (const [name, payload] of WHOLE) {
            const { topic: result, document } = await ask(topic, payload);
            expect([name, result, document.code]).toEqual([name, `${topic}/result`, 400]);
            await served();
        }
    });

    test("keys that are none", async () => {
        for (const key of KEYS) {
            const { document } = await ask(`${DEVICE}/twin/update`, JSON.stringify({ twin: { [key]: probe } }));
            expect([key, document.code]).toEqual([key, 400]);
            await served();
        }
    });

    test("a device that is not known is answered with 404 on its own topic", async () => {
        const topics = ["twin/update", "twin/get", "state/update"].map(
            (what) => `$hw/events/device/default/ghost/${what}`,
        );
        await client.subscribeAsync(topics.map((topic) => `${topic}/result`));
        for (const topic of topics) {
            const { topic: result, document } = await ask(topic, '{"event_id":"g","state":"ok","twin":{}}');
            expect([result, document.event_id, document.code]).toEqual([`${topic}/result`, "g", 404]);
            await served();
        }
    });
});
