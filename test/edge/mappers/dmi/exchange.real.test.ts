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
import { badCalls, INVALID } from "./bad-calls.ts";
import { grpcioPart, type PythonMapper, startPythonMapper } from "./python-mapper.ts";

const ID = "default/thermo-1";

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
    const config = parseConfig<DmiConfig>(dmiConfig, { socketPath: join(folder, "dmi.sock"), livenessMs: 1000 });
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
    }, 180_000);

    test("every field of every call missing, of another type, huge or not UTF-8: one certain answer, and the next call is served", async () => {
        const { harness, start } = await gateway();
        await start();
        const stock = await mapper();
        await stock.register();
        let served = 0;
        for (const [name, method, bytes, wanted] of badCalls(join(folder, "mapper.sock"))) {
            const { code, message } = await stock.raw(method, bytes).then(
                () => ({ code: 0, message: "" }),
                (error: { code: number; message: string }) => error,
            );
            expect([name, code, message]).toEqual([name, wanted, expect.any(String)]);
            if (code === INVALID) expect([name, message]).toEqual([name, expect.stringMatching(/\w/)]);
            served += 1;
            await report(stock, "temperature", String(served));
            await eventually(() =>
                expect([name, twin(harness, "temperature")?.actual?.value]).toEqual([name, String(served)]),
            );
        }
        expect(served).toBeGreaterThan(200);
    }, 300_000);
});
