// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import { fromAny, toAny } from "../../../../src/edge/mappers/dmi/any.ts";
import { eventually } from "../../../support/eventually.ts";
import { startTwin, thermoModel } from "../../devicetwin/harness.ts";
import { DmiRig, device, ID, twin, twinWith } from "./dmi-rig.ts";

const rig = DmiRig.forEachTest();

describe("DMI with a stock mapper", () => {
    test("registration answers with models and devices, complete as stock mappers need them", async () => {
        const harness = await twinWith("25");
        await rig.start(harness);
        const { modelList, deviceList } = await (await rig.mapper()).register();
        expect(modelList).toMatchObject([
            {
                name: "thermo-model",
                namespace: "default",
                spec: {
                    properties: [
                        { name: "temperature", type: "FLOAT", accessMode: "ReadOnly" },
                        { name: "target", minimum: "0" },
                    ],
                },
            },
        ]);
        expect(deviceList).toMatchObject([
            {
                name: "thermo-1",
                namespace: "default",
                spec: {
                    deviceModelReference: "thermo-model",
                    protocol: { protocolName: "thermo" },
                    properties: [
                        { name: "temperature", desired: { value: "" }, visitors: { configData: { data: {} } } },
                        { name: "target", desired: { value: "25" } },
                    ],
                },
                status: { reportToCloud: true },
            },
        ]);
        const [first] = deviceList as {
            spec: { protocol: { configData: { data: Record<string, Parameters<typeof fromAny>[0]> } } };
        }[];
        const data = Object.entries(first?.spec.protocol.configData.data ?? {}).map(([key, any]) => [
            key,
            fromAny(any),
        ]);
        expect(Object.fromEntries(data)).toEqual({
            port: "502",
            slaveID: 1,
            big: 16_777_217,
            deep: '{"a":1}',
            on: true,
        });
    });

    test("reports reach the twin typed and with the mapper's time; the desired value is taken when the mapper says so", async () => {
        const harness = await twinWith("25");
        await rig.start(harness);
        const stock = await rig.mapper();
        await stock.register();
        await stock.report("temperature", "21.5");
        await stock.report("target", "20", "25");
        await stock.manager("ReportDeviceStates", { deviceName: "thermo-1", deviceNamespace: "default", state: "OK" });
        await eventually(() => expect(harness.twin.records.get(ID)?.state).toBe("ok"));
        expect(twin(harness, "temperature")).toMatchObject({
            type: "float",
            actual: { value: "21.5", timestamp: 1_700_000_000_000 },
        });
        expect(twin(harness, "target")?.pendingWrite).toBeUndefined();
        expect(twin(harness, "target")).toMatchObject({ actual: { value: "20" }, expected: { value: "25" } });
    });

    test.each([
        ["BOOLEAN", "T", "true"],
        ["INT", "18446744073709551615", "18446744073709551615"],
        ["DOUBLE", "1e-7", "0.0000001"],
        ["BYTES", "Wärme", "V8Okcm1l"],
        ["OBJECT", '{"a": [1]}', '{"a":[1]}'],
        ["STRING", "Wärme ✓", "Wärme ✓"],
    ])("a %s told as %s is %s in the twin", async (type, told, stored) => {
        const harness = await startTwin();
        const properties = [{ name: "target", type, accessMode: "ReadWrite" }];
        await harness.cloud("insert", "default/devicemodel/thermo-model", { ...thermoModel, spec: { properties } });
        await harness.cloud("insert", "default/device/thermo-1", device(undefined));
        await rig.start(harness);
        const stock = await rig.mapper();
        await stock.register();
        await stock.report("target", told);
        await eventually(() => expect(twin(harness, "target")).toMatchObject({ actual: { value: stored } }));
    });

    test("changes are pushed: a new device with its model first, a desired value as an update, a deletion", async () => {
        const harness = await startTwin();
        await rig.start(harness);
        const stock = await rig.mapper();
        await stock.register();
        const names = () => stock.calls.map(([name]) => name);
        await harness.cloud("insert", "default/devicemodel/thermo-model", thermoModel);
        await harness.cloud("insert", "default/device/thermo-1", device(undefined));
        await eventually(() => expect(names()).toEqual(["CreateDeviceModel", "RegisterDevice"]));
        await harness.cloud("update", "default/device/thermo-1", device("30"));
        await eventually(() => expect(names().slice(2)).toEqual(["UpdateDevice"]));
        expect(stock.calls.at(-1)?.[1]).toMatchObject({
            device: { spec: { properties: [{}, { desired: { value: "30" } }] } },
        });
        await harness.cloud("update", "default/device/thermo-1", device("30"));
        await harness.cloud("delete", "default/device/thermo-1", {});
        await eventually(() => expect(names().slice(3).sort()).toEqual(["RemoveDevice", "RemoveDeviceModel"]));
    });

    test("a mapper that was away gets what it missed; its devices are unknown meanwhile", async () => {
        const harness = await twinWith();
        await rig.start(harness);
        const first = await rig.mapper();
        await first.register();
        await first.manager("ReportDeviceStates", { deviceName: "thermo-1", deviceNamespace: "default", state: "ok" });
        await first.stop();
        await eventually(() => expect(harness.twin.records.get(ID)?.state).toBe("unknown"));
        await harness.cloud("update", "default/device/thermo-1", device("30"));
        const second = await rig.mapper();
        await eventually(() => expect(second.calls.map(([name]) => name)).toEqual(["UpdateDevice"]));
    });

    test("the gateway restarts: the mapper need not register again, and hears only what has changed", async () => {
        const harness = await twinWith();
        const { store, stop } = await rig.start(harness);
        const stock = await rig.mapper();
        await stock.register();
        await stop();
        await harness.cloud("update", "default/device/thermo-1", device("30"));
        await rig.start(harness, store);
        await eventually(() => expect(stock.calls.map(([name]) => name)).toEqual(["UpdateDevice"]));
        await stock.report("temperature", "22");
        await eventually(() => expect(twin(harness, "temperature")).toMatchObject({ actual: { value: "22" } }));
    });

    test("a method's values are told as desired ones, end with the mapper's word, and give way to the Device's own", async () => {
        const harness = await twinWith();
        await rig.start(harness);
        const stock = await rig.mapper();
        await stock.register();
        const called = {
            ...device(undefined),
            metadata: {
                ...device(undefined).metadata,
                annotations: { "call.redge.io/1": '{"method":"adjust","params":{"target":42}}' },
            },
            spec: { ...device(undefined).spec, methods: [{ name: "adjust", propertyNames: ["target"] }] },
        };
        await harness.cloud("update", "default/device/thermo-1", called);
        const desired = () => {
            const [, last] = stock.calls.findLast(([name]) => name === "UpdateDevice") ?? [];
            return (last as { device: { spec: { properties: { desired: unknown }[] } } } | undefined)?.device.spec
                .properties[1]?.desired;
        };
        await eventually(() => expect(desired()).toMatchObject({ value: "42" }));
        await stock.report("target", "42", "42");
        await eventually(() =>
            expect(harness.twin.records.get(ID)?.calls?.["1"]).toMatchObject({
                state: "Succeeded",
                result: { target: 42 },
            }),
        );
        await harness.cloud("update", "default/device/thermo-1", {
            ...called,
            spec: { ...called.spec, ...device("7").spec },
        });
        await eventually(() => expect(desired()).toMatchObject({ value: "7" }));
    });

    test("500 reports in a row, five times what stock KubeEdge takes, are all taken", async () => {
        const harness = await twinWith();
        await rig.start(harness);
        const stock = await rig.mapper();
        await stock.register();
        await Promise.all(Array.from({ length: 500 }, (_, index) => stock.report("temperature", String(index))));
        await eventually(() => expect(twin(harness, "temperature")?.actualVersion).toEqual({ cloud: 0, edge: 500 }));
    });

    test.each<
        [string, "MapperRegister" | "ReportDeviceStatus" | "ReportDeviceStates", Record<string, unknown>, number]
    >([
        ["no mapper", "MapperRegister", { withData: true }, 3],
        ["no protocol", "MapperRegister", { mapper: { name: "m", address: Buffer.from("/x") } }, 3],
        ["no address", "MapperRegister", { mapper: { name: "m", protocol: "p" } }, 3],
        ["no device", "ReportDeviceStatus", { deviceName: "" }, 3],
        ["an unknown device", "ReportDeviceStatus", { deviceName: "nobody" }, 5],
        ["no twins", "ReportDeviceStatus", { deviceName: "thermo-1" }, 3],
        ["a twin without name", "ReportDeviceStatus", { deviceName: "thermo-1", reportedDevice: { twins: [{}] } }, 3],
        [
            "a value of another type",
            "ReportDeviceStatus",
            {
                deviceName: "thermo-1",
                reportedDevice: { twins: [{ propertyName: "temperature", reported: { value: "hot" } }] },
            },
            3,
        ],
        ["a state that is none", "ReportDeviceStates", { deviceName: "thermo-1", state: "bored" }, 3],
        ["a state of an unknown device", "ReportDeviceStates", { deviceName: "nobody", state: "ok" }, 5],
    ])("%s is refused with a gRPC status, and the next call is served", async (_case, method, request, code) => {
        const harness = await twinWith();
        await rig.start(harness);
        const stock = await rig.mapper();
        await expect(stock.manager(method, request)).rejects.toMatchObject({ code });
        await stock.register();
        // Neither reported nor observedDesired: stock EdgeCore dies of it.
        await stock.manager("ReportDeviceStatus", {
            deviceName: "thermo-1",
            reportedDevice: { twins: [{ propertyName: "temperature" }] },
        });
    });

    test("a mapper that answers what is no message is asked again, and what it reports meanwhile is taken", async () => {
        const harness = await startTwin();
        await rig.start(harness);
        const answers = [Buffer.from([0xff, 0xff, 0xff]), Buffer.from([0x0a, 0x7f]), Buffer.alloc(100_000, "x")];
        const stock = await rig.mapper({ answers });
        await stock.register();
        await harness.cloud("insert", "default/devicemodel/thermo-model", thermoModel);
        await harness.cloud("insert", "default/device/thermo-1", device(undefined));
        await eventually(() => expect(stock.calls.length).toBeGreaterThan(0));
        await stock.report("temperature", "22");
        await eventually(() => expect(twin(harness, "temperature")).toMatchObject({ actual: { value: "22" } }));
        await eventually(() => expect(stock.calls.map(([name]) => name)).toContain("RegisterDevice"));
        const names = stock.calls.map(([name]) => name);
        expect(names.filter((name) => name === "CreateDeviceModel").length).toBeGreaterThan(1);
        expect(names.lastIndexOf("CreateDeviceModel")).toBeLessThan(names.indexOf("RegisterDevice"));
    });

    test("a socket that another process serves is not taken away", async () => {
        const harness = await startTwin();
        await rig.start(harness);
        await expect(rig.start(harness)).rejects.toMatchObject({ code: "REDGE_DMI_LISTEN" });
    });
});

test.each([
    ["text", ""],
    ["true", true],
    ["false", false],
    ["a number", 0.5],
    ["a large whole number", -9_007_199_254_740_991],
    ["zero", 0],
])("%s survives Any", (_case, value) => {
    expect(fromAny(toAny(value))).toBe(value);
});
