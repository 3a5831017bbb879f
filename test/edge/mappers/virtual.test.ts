// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { parseAllDocuments } from "yaml";
import { silentLogger } from "../../../src/core/log.ts";
import { ManualClock } from "../../../src/core/manual-clock.ts";
import { noMetrics } from "../../../src/core/metrics.ts";
import { type PropertyInstance, resolveDevice } from "../../../src/edge/mappers/device-instance.ts";
import { parseGenerator } from "../../../src/edge/mappers/virtual/generators.ts";
import { VirtualMapper } from "../../../src/edge/mappers/virtual/index.ts";
import { deviceResource, type MapperReport, WRITE } from "../../../src/edge/mappers/wire.ts";
import { newEnvelope } from "../../../src/envelope/envelope.ts";
import { eventually } from "../../support/eventually.ts";
import { startTwin } from "../devicetwin/harness.ts";

const ID = "default/pump";
const [model, device] = parseAllDocuments(
    readFileSync(resolve(import.meta.dirname, "../../../examples/devices/pump.yaml"), "utf8"),
).map((document) => document.toJS() as Record<string, unknown>);

async function startMapper(given: unknown = device) {
    const clock = new ManualClock();
    const ports = { clock, log: silentLogger, metrics: noMetrics, random: () => 0.75 };
    const mapper = new VirtualMapper({ protocol: "virtual" }, ports);
    const reports: MapperReport[] = [];
    const queries: string[] = [];
    mapper.on("output", (_output, { route, content }) => {
        if (route.operation === "upload") reports.push(content as MapperReport);
        else queries.push(`${route.operation} ${route.resource}`);
    });
    await mapper.start();
    const send = (operation: string, content: unknown) =>
        mapper.receive(newEnvelope({ route: { operation, resource: deviceResource(ID) }, content }));
    const values = () =>
        Object.fromEntries(
            reports
                .splice(0)
                .flatMap(({ reported }) => Object.entries(reported ?? {}))
                .map(([name, { value }]) => [name, value]),
        );
    await send("update", { device: given, model, instance: resolveDevice(given, model) });
    return { mapper, clock, reports, queries, send, values };
}

describe("methods, from the call in the Device to its end", () => {
    async function called(call: object) {
        const given = device as { spec: object; metadata: object };
        const twin = await startTwin();
        const mapper = new VirtualMapper(
            { protocol: "virtual" },
            { clock: twin.clock, log: silentLogger, metrics: noMetrics, random: () => 0.5 },
        );
        twin.twin.on("output", (output, message) => void (output === "mappers" && mapper.receive(message)));
        mapper.on("output", (_output, message) => void twin.twin.receive(message));
        await mapper.start();
        await twin.cloud("insert", "default/devicemodel/pump-model", model);
        const methods = [
            { name: "adjust", propertyNames: ["speed"] },
            { name: "self-test", propertyNames: [] },
        ];
        const annotations = { "call.redge.io/1": JSON.stringify(call) };
        const asked = {
            ...given,
            metadata: { ...given.metadata, annotations },
            spec: { ...given.spec, methods },
        };
        await twin.cloud("insert", "default/device/pump", asked);
        const end = await eventually(() => {
            const found = twin.twin.records.get(ID)?.calls?.["1"];
            if (found?.state === "Pending" || found === undefined) throw new Error("not ended");
            return found;
        });
        const reads = twin.twin.records.get(ID)?.twin;
        await mapper.stop();
        await twin.twin.stop();
        return { end, reads };
    }

    test("what a method writes is written", async () => {
        const { end, reads } = await called({ method: "adjust", params: { speed: 1500 } });
        expect(end).toMatchObject({ state: "Succeeded", result: { speed: 1500 } });
        expect(reads?.get("speed")).toMatchObject({ actual: { value: "1500" } });
    });

    test("one that writes nothing answers with what is read", async () => {
        const { end, reads } = await called({ method: "self-test" });
        expect(Object.keys(end.result as object).sort()).toEqual([...(reads?.keys() ?? [])].sort());
    });
});

function property(given: Partial<PropertyInstance> & { configData?: Record<string, unknown> }): PropertyInstance {
    const { configData = {}, ...rest } = given;
    return {
        name: "p",
        type: "DOUBLE",
        accessMode: "ReadOnly",
        collectCycleMs: 1000,
        reportCycleMs: 0,
        reportToCloud: true,
        visitor: { protocolName: "virtual", configData },
        ...rest,
    };
}

function make(given: Parameters<typeof property>[0], random = () => 0.75) {
    return parseGenerator(ID, property(given), random);
}

describe("generators", () => {
    test.each([
        ["constant", { configData: { generator: "constant", value: "5.5" } }, [5.5, 5.5, 5.5]],
        ["sine", { configData: { generator: "sine", offset: 10, amplitude: 2, periodMs: 4000 } }, [10, 12, 10]],
        ["phase", { configData: { generator: "sine", periodMs: 4000, phase: 0.25 } }, [1, 0, -1]],
        ["ramp", { configData: { generator: "ramp", from: 0, to: 30, periodMs: 3000 } }, [0, 10, 20]],
        ["counter", { type: "INT", configData: { generator: "counter", step: 2, wrap: 4 } }, [0, 2, 0]],
        ["walk", { configData: { generator: "randomWalk", start: 8, step: 4, maximum: 11 } }, [10, 11, 11]],
        ["default walk", { type: "INT", minimum: 0, maximum: 40 }, [21, 22, 23]],
        ["replay", { type: "STRING", configData: { generator: "replay", values: ["a", "b"] } }, ["a", "b", "a"]],
        ["replay once", { configData: { generator: "REPLAY", values: [1, "2"], repeat: false } }, [1, 2, 2]],
        [
            "boolean",
            { type: "BOOLEAN", configData: { generator: "sine", periodMs: 2000, phase: 0.25 } },
            [true, false, true],
        ],
        ["bytes", { type: "BYTES", configData: { value: "AQI=" } }, ["AQI=", "AQI=", "AQI="]],
        ["text of a number", { type: "STRING", configData: { generator: "counter" } }, ["0", "1", "2"]],
        ["nothing said", { type: "BOOLEAN" }, [false, false, false]],
    ] as const)("%s", (_name, given, expected) => {
        const generator = make(given as Parameters<typeof property>[0]);
        const got = [0, 1000, 2000].map((nowMs) => generator.next(nowMs));
        for (const [at, value] of got.entries()) {
            const wanted = expected[at];
            if (typeof wanted === "number") expect(value).toBeCloseTo(wanted, 9);
            else expect(value).toBe(wanted);
        }
    });

    test.each([
        [{ generator: "magic" }, "generator is none of constant"],
        [{ generator: "sine", periodMs: 0 }, "periodMs is not above 0"],
        [{ generator: "sine", offset: "high" }, "offset is not a number"],
        [{ generator: "ramp", to: { a: 1 } }, "to is not a number"],
        [{ generator: "counter", start: 5, wrap: 5 }, "wrap is not above start"],
        [{ generator: "randomWalk", minimum: 9, maximum: 1 }, "minimum is above the maximum"],
        [{ generator: "replay", values: [] }, "values is not a list of values"],
        [{ generator: "replay", values: [1, "x"] }, "values[1] is no value of type DOUBLE"],
        [{ generator: "constant", value: "x" }, "value is no value of type DOUBLE"],
    ])("%j is refused with the field that is wrong", (configData, words) => {
        expect(() => make({ configData })).toThrow(words);
    });

    test("numbers are no bytes", () => {
        expect(() => make({ type: "BYTES", configData: { generator: "sine" } })).toThrow("makes numbers");
    });
});

describe("the virtual mapper", () => {
    test("asks for devices, and makes values up at each property's cycle", async () => {
        const { clock, queries, reports, values } = await startMapper();
        expect(queries).toEqual(["query devices"]);
        expect(reports[0]).toEqual({ state: "online" });
        expect(values()).toMatchObject({ speed: 1450, strokes: 0, valve: "closed", vibration: 2.15 });
        await clock.advance(1000);
        expect(Object.keys(values()).sort()).toEqual(["pressure", "speed", "vibration"]);
        await clock.advance(4000);
        expect(values()).toMatchObject({ strokes: 1, valve: "opening" });
    });

    test("a desired value is taken over, confirmed and read back; access modes and limits count", async () => {
        const { reports, send } = await startMapper();
        reports.splice(0);
        await send(WRITE, { id: "1", property: "speed", value: 900 });
        await send(WRITE, { id: "2", property: "speed", value: 9000 });
        await send(WRITE, { id: "3", property: "pressure", value: 1 });
        await send(WRITE, { id: "4", property: "nothing", value: 1 });
        const answers = reports.splice(0);
        expect(answers).toMatchObject([
            { written: { speed: { id: "1", value: 900 } }, reported: { speed: { value: 900 } } },
            { written: { speed: { id: "2", error: expect.stringContaining("above the maximum 3000") } } },
            { written: { pressure: { id: "3", error: expect.stringContaining("only be read") } } },
            { written: { nothing: { id: "4", error: expect.stringContaining("no such property") } } },
        ]);
        expect(answers[0]?.written?.["speed"]?.error).toBeUndefined();
    });

    test("a property that cannot be made up is bad, the others live", async () => {
        const spec = (device as { spec: { properties: object[] } }).spec;
        const visitors = { configData: { generator: "magic" } };
        const properties = [...spec.properties, { name: "odd", visitors }];
        const { reports, values } = await startMapper({ ...device, spec: { ...spec, properties } });
        expect(reports[0]).toMatchObject({ reported: { odd: { quality: "bad", reason: expect.any(String) } } });
        expect(values()).toMatchObject({ speed: 1450 });
    });

    test("offline: it says so and answers nothing", async () => {
        const spec = (device as { spec: object }).spec;
        const protocol = { protocolName: "Virtual", configData: { offline: "true" } };
        const { clock, reports, send } = await startMapper({ ...device, spec: { ...spec, protocol } });
        await send(WRITE, { id: "1", property: "speed", value: 900 });
        await clock.advance(10_000);
        expect(reports).toMatchObject([{ state: "offline", reported: { speed: { quality: "bad" } } }]);
        expect(reports).toHaveLength(1);
    });

    test("a field of the wrong type makes the device unhealthy", async () => {
        const spec = (device as { spec: object }).spec;
        const protocol = { protocolName: "virtual", configData: { offline: 3 } };
        const { reports } = await startMapper({ ...device, spec: { ...spec, protocol } });
        expect(reports).toMatchObject([{ state: "unhealthy", reported: { speed: { quality: "bad" } } }]);
    });

    test("nothing is made up for a device that is gone, of another protocol, or after the stop", async () => {
        const { clock, reports, send, mapper } = await startMapper();
        await send("delete", {});
        reports.splice(0);
        await clock.advance(10_000);
        const spec = (device as { spec: object }).spec;
        const other = { ...device, spec: { ...spec, protocol: { protocolName: "modbus" } } };
        await send("update", { instance: resolveDevice(other, model) });
        expect(reports).toEqual([]);
        await send("update", { instance: resolveDevice(device, model) });
        await mapper.stop();
        reports.splice(0);
        await clock.advance(10_000);
        expect(reports).toEqual([]);
    });

    test("a message without a device is refused", async () => {
        const { send } = await startMapper();
        await expect(send("update", "nonsense")).rejects.toMatchObject({ code: "REDGE_DEVICE_MESSAGE" });
    });
});
