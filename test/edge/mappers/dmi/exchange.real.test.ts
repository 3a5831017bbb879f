// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { systemClock } from "../../../../src/core/clock.ts";
import { parseConfig } from "../../../../src/core/config.ts";
import { silentLogger } from "../../../../src/core/log.ts";
import { noMetrics } from "../../../../src/core/metrics.ts";
import { type DmiConfig, DmiServer, dmiConfig } from "../../../../src/edge/mappers/dmi/index.ts";
import { MemoryStore } from "../../../../src/store/memory-store.ts";
import { eventually } from "../../../support/eventually.ts";
import { describeWith } from "../../../support/requires.ts";
import { type Harness, startTwin, thermo, thermoModel } from "../../devicetwin/harness.ts";
import { grpcioPart, type PythonMapper, startPythonMapper } from "./python-mapper.ts";

const ID = "default/thermo-1";
const INVALID = 3;
const UNKNOWN_DEVICE = 5;
const INTERNAL = 13;
/** What may come of bytes that are no message: what is left of them is none either, or gRPC's own refusal. */
const NO_MESSAGE = [INVALID, INTERNAL];

const cleanups: (() => Promise<void>)[] = [];
let folder = "";
beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "redge-dmi-"));
});
afterEach(async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
    rmSync(folder, { recursive: true, force: true });
});

function device(target: string | undefined, calls: Record<string, string> = {}) {
    const given = thermo(target);
    const configData = { port: "502", slaveID: 1, big: 16_777_217, deep: { a: [1] }, on: true, grün: "Wärme ✓" };
    const annotations = Object.fromEntries(Object.entries(calls).map(([id, call]) => [`call.redge.io/${id}`, call]));
    return {
        ...given,
        metadata: { ...given.metadata, annotations },
        spec: {
            ...given.spec,
            protocol: { protocolName: "thermo", configData },
            methods: [{ name: "adjust", propertyNames: ["target"] }],
        },
    };
}

async function gateway(target?: string) {
    const harness = await startTwin();
    await harness.cloud("insert", "default/devicemodel/thermo-model", thermoModel);
    await harness.cloud("insert", "default/device/thermo-1", device(target));
    const store = new MemoryStore();
    const config = parseConfig<DmiConfig>(dmiConfig, { socketPath: join(folder, "dmi.sock"), livenessMs: 100 });
    const start = async (): Promise<() => Promise<void>> => {
        const ports = { clock: systemClock, log: silentLogger, metrics: noMetrics, random: Math.random, store };
        const dmi = new DmiServer(config, ports);
        const off = harness.twin.on(
            "output",
            (output, envelope) => void (output === "mappers" && dmi.receive(envelope)),
        );
        dmi.on("output", (_output, envelope) => void harness.twin.receive(envelope).catch(() => {}));
        await dmi.start();
        const stop = async (): Promise<void> => {
            off();
            await dmi.stop();
        };
        cleanups.push(stop);
        return stop;
    };
    return { harness, start };
}

async function mapper(): Promise<PythonMapper> {
    const started = await startPythonMapper(join(folder, "dmi.sock"), join(folder, "mapper.sock"));
    cleanups.push(() => started.kill());
    return started;
}

const report = (stock: PythonMapper, propertyName: string, value: string, observed = "") =>
    stock.call("ReportDeviceStatus", {
        deviceName: "thermo-1",
        deviceNamespace: "default",
        reportedDevice: { twins: [{ propertyName, reported: { value }, observedDesired: { value: observed } }] },
    });
const twin = (harness: Harness, property: string) => harness.twin.records.get(ID)?.twin.get(property);
const state = (harness: Harness) => harness.twin.records.get(ID)?.state;
const lastDesired = (stock: PythonMapper) => {
    const [, request] = stock.calls.findLast(([method]) => method === "UpdateDevice") ?? [];
    return JSON.stringify(request ?? {});
};

describeWith([grpcioPart], "DMI with a mapper on Google's gRPC for Python", () => {
    test("a stock mapper's whole exchange: register, configuration, reports, desired value, method, restart of either side", async () => {
        const { harness, start } = await gateway("25");
        const stop = await start();
        const first = await mapper();
        const answer = await first.register();
        expect(answer).toMatchObject({
            modelList: [{ name: "thermo-model", spec: { properties: [{ name: "temperature", type: "FLOAT" }, {}] } }],
            deviceList: [
                {
                    name: "thermo-1",
                    namespace: "default",
                    status: { reportToCloud: true },
                    spec: {
                        protocol: {
                            protocolName: "thermo",
                            configData: {
                                data: {
                                    port: "502",
                                    slaveID: 1,
                                    big: 16_777_217,
                                    deep: '{"a":[1]}',
                                    on: true,
                                    grün: "Wärme ✓",
                                },
                            },
                        },
                        methods: [{ name: "adjust", propertyNames: ["target"] }],
                        properties: [
                            { name: "temperature", desired: { value: "" }, visitors: { configData: {} } },
                            { name: "target", desired: { value: "25" } },
                        ],
                    },
                },
            ],
        });
        await first.call("ReportDeviceStates", { deviceName: "thermo-1", deviceNamespace: "default", state: "ok" });
        await report(first, "temperature", "21.5");
        // One cycle later the device has followed.
        for (const value of ["20", "25"]) await report(first, "target", value, "25");
        await eventually(() => expect(twin(harness, "target")?.pendingWrite).toBeUndefined());
        expect(twin(harness, "temperature")).toMatchObject({ type: "float", actual: { value: "21.5" } });
        expect(state(harness)).toBe("ok");

        await harness.cloud("update", "default/device/thermo-1", device("30"));
        await eventually(() => expect(lastDesired(first)).toContain('"30"'));
        await report(first, "target", "30", "30");
        await eventually(() => expect(twin(harness, "target")).toMatchObject({ expected: { value: "30" } }));

        const call = { 1: '{"method":"adjust","params":{"target":42}}' };
        await harness.cloud("update", "default/device/thermo-1", device("30", call));
        await eventually(() => expect(lastDesired(first)).toContain('"42"'));
        await report(first, "target", "42", "42");
        await eventually(() =>
            expect(harness.twin.records.get(ID)?.calls?.["1"]).toMatchObject({ state: "Succeeded" }),
        );

        await first.kill();
        await eventually(() => expect(state(harness)).toBe("unknown"));
        await harness.cloud("update", "default/device/thermo-1", device("31"));
        const second = await mapper();
        await eventually(() => expect(lastDesired(second)).toContain('"31"'));

        await stop();
        await harness.cloud("update", "default/device/thermo-1", device("32"));
        await start();
        await eventually(() => expect(lastDesired(second)).toContain('"32"'));
        await report(second, "temperature", "22");
        await eventually(() => expect(twin(harness, "temperature")).toMatchObject({ actual: { value: "22" } }));
        await harness.cloud("delete", "default/device/thermo-1", {});
        await eventually(() => expect(second.calls.map(([method]) => method)).toContain("RemoveDevice"));
    }, 60_000);

    test("every field of every call missing, of another type, huge or not UTF-8: an error or a plain answer, and the next call is served", async () => {
        const { harness, start } = await gateway();
        await start();
        const stock = await mapper();
        await stock.register();
        let served = 0;
        for (const [name, method, bytes, codes] of badCalls(join(folder, "mapper.sock"))) {
            const { code, message } = await stock.raw(method, bytes).then(
                () => ({ code: 0, message: "" }),
                (error: { code: number; message: string }) => error,
            );
            // An internal error is gRPC's word for bytes that are no message, never ours.
            if (code === INTERNAL) expect([name, message]).toEqual([name, expect.stringMatching(/deserializ/i)]);
            expect([name, codes]).toEqual([name, expect.arrayContaining([code])]);
            served += 1;
            await report(stock, "temperature", String(served));
            await eventually(() =>
                expect([name, twin(harness, "temperature")?.actual?.value]).toEqual([name, String(served)]),
            );
        }
        expect(served).toBeGreaterThan(100);
    }, 120_000);
});

type Bad = [name: string, method: Parameters<PythonMapper["raw"]>[0], bytes: Buffer, codes: readonly number[]];

/** A field of a message by its number: text, or a message of fields. */
type Field = readonly [name: string, number: number, value: string | readonly Field[]];

/** Each call as it should be, every field present. */
function rightCalls(socket: string): readonly (readonly [Bad[1], readonly Field[]])[] {
    const metadata: Field = [
        "metadata",
        2,
        [
            ["key", 1, "timestamp"],
            ["value", 2, "1700000000000"],
        ],
    ];
    const twinFields: Field[] = [
        ["propertyName", 1, "temperature"],
        ["observedDesired", 2, [["value", 1, "20"], metadata]],
        ["reported", 3, [["value", 1, "20"], metadata]],
    ];
    return [
        [
            "MapperRegister",
            [
                [
                    "mapper",
                    2,
                    [
                        ["name", 1, "thermo-mapper"],
                        ["version", 2, "v1"],
                        ["api_version", 3, "v1"],
                        ["protocol", 4, "thermo"],
                        ["address", 5, socket],
                        ["state", 6, "ok"],
                    ],
                ],
            ],
        ],
        [
            "ReportDeviceStatus",
            [
                ["deviceName", 1, "thermo-1"],
                ["reportedDevice", 2, [["twins", 1, twinFields]]],
                ["deviceNamespace", 3, "default"],
            ],
        ],
        [
            "ReportDeviceStates",
            [
                ["deviceName", 1, "thermo-1"],
                ["deviceNamespace", 2, "default"],
                ["state", 3, "ok"],
            ],
        ],
    ];
}

/** Every field of every call spoilt in every way, and what may be answered: 0 is taking it. */
function badCalls(socket: string): readonly Bad[] {
    const bad: Bad[] = [];
    const huge = Buffer.alloc(1_000_000, "x");
    const ways: readonly (readonly [string, (field: Field) => Buffer])[] = [
        ["missing", () => Buffer.alloc(0)],
        ["empty", ([, number]) => lengthDelimited(number, Buffer.alloc(0))],
        ["a number", ([, number]) => Buffer.concat([varint(number << 3), varint(7)])],
        ["a 64-bit number", ([, number]) => Buffer.concat([varint((number << 3) | 1), Buffer.alloc(8, 1)])],
        ["not UTF-8", ([, number]) => lengthDelimited(number, Buffer.from([0xff, 0xfe, 0x80]))],
        ["huge", ([, number]) => lengthDelimited(number, huge)],
        ["cut short", ([, number]) => Buffer.concat([varint((number << 3) | 2), varint(200), Buffer.from("x")])],
    ];
    for (const [method, fields] of rightCalls(socket)) {
        for (const path of pathsOf(fields)) {
            for (const [way, spoil] of ways) {
                const bytes = encode(fields, path, spoil);
                bad.push([`${method}.${path.join(".")} ${way}`, method, bytes, [0, UNKNOWN_DEVICE, ...NO_MESSAGE]]);
            }
        }
        bad.push([`${method} of nothing`, method, Buffer.alloc(0), [INVALID]]);
        bad.push([`${method} of noise`, method, Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff]), NO_MESSAGE]);
    }
    return bad;
}

function pathsOf(fields: readonly Field[], under: readonly string[] = []): readonly (readonly string[])[] {
    return fields.flatMap(([name, , value]) => {
        const path = [...under, name];
        return typeof value === "string" ? [path] : [path, ...pathsOf(value, path)];
    });
}

function encode(fields: readonly Field[], path: readonly string[], spoil: (field: Field) => Buffer): Buffer {
    return Buffer.concat(
        fields.map((field) => {
            const [name, number, value] = field;
            const on = name === path[0];
            if (on && path.length === 1) return spoil(field);
            const rest = on ? path.slice(1) : [];
            return lengthDelimited(number, typeof value === "string" ? Buffer.from(value) : encode(value, rest, spoil));
        }),
    );
}

function lengthDelimited(number: number, bytes: Buffer): Buffer {
    return Buffer.concat([varint((number << 3) | 2), varint(bytes.length), bytes]);
}

function varint(value: number): Buffer {
    const bytes: number[] = [];
    let rest = value;
    for (; rest > 0x7f; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
    return Buffer.from([...bytes, rest]);
}
