// SPDX-License-Identifier: Apache-2.0
import { afterEach, expect, test } from "vitest";
import { systemClock } from "../../../../src/core/clock.ts";
import { silentLogger } from "../../../../src/core/log.ts";
import { noMetrics } from "../../../../src/core/metrics.ts";
import { BleMapper, BluezCentral } from "../../../../src/edge/mappers/ble/index.ts";
import { resolveDevice } from "../../../../src/edge/mappers/device-instance.ts";
import { deviceResource, type MapperReport, WRITE } from "../../../../src/edge/mappers/wire.ts";
import { newEnvelope } from "../../../../src/envelope/envelope.ts";
import { eventually } from "../../../support/eventually.ts";
import { describeWith } from "../../../support/requires.ts";
import { bluezPart, startBluez } from "./bluez.ts";

const MAC = "AA:BB:CC:DD:EE:01";
const TEMPERATURE = "00002a6e-0000-1000-8000-00805f9b34fb";
const LEVEL = "0000ffe1-0000-1000-8000-00805f9b34fb";
const LAMP = "0000ffe2-0000-1000-8000-00805f9b34fb";

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const model = {
    metadata: { namespace: "default", name: "ble" },
    spec: {
        protocol: "bluetooth",
        properties: [
            { name: "temperature", type: "DOUBLE", accessMode: "ReadOnly" },
            { name: "level", type: "INT", accessMode: "ReadWrite" },
            { name: "lamp", type: "STRING", accessMode: "ReadWrite" },
        ],
    },
};
const device = {
    metadata: { namespace: "default", name: "thermo" },
    spec: {
        deviceModelRef: { name: "ble" },
        protocol: { protocolName: "bluetooth", configData: { macAddress: MAC } },
        properties: [
            {
                name: "temperature",
                visitors: {
                    configData: {
                        characteristicUUID: "2a6e",
                        dataConverter: {
                            startIndex: 1,
                            endIndex: 0,
                            orderOfOperations: [{ operationType: "Divide", operationValue: 100 }],
                        },
                    },
                },
            },
            { name: "level", collectCycle: 100, visitors: { configData: { characteristicUUID: LEVEL } } },
            {
                name: "lamp",
                collectCycle: 100,
                visitors: { configData: { characteristicUUID: LAMP, dataWrite: { ON: [1, 255], OFF: "0000" } } },
            },
        ],
    },
};

describeWith([bluezPart], "the Bluetooth mapper on BlueZ's D-Bus interface", () => {
    test("scan, connect, read, notify, write, disconnect and reconnect", async () => {
        const bluez = await startBluez();
        cleanups.push(() => bluez.stop());
        const ports = { clock: systemClock, log: silentLogger, metrics: noMetrics, random: Math.random };
        const central = new BluezCentral(systemClock, bluez.busAddress);
        const mapper = new BleMapper({ protocol: "bluetooth" }, { ...ports, central });
        cleanups.push(() => mapper.stop());
        const reports: MapperReport[] = [];
        mapper.on("output", (_output, { route, content }) => {
            if (route.operation === "upload") reports.push(content as MapperReport);
        });
        const latest = () =>
            Object.assign({}, ...reports.map(({ reported }) => reported)) as NonNullable<MapperReport["reported"]>;
        const states = () => reports.flatMap(({ state }) => state ?? []);
        const send = (operation: string, content: unknown) =>
            mapper.receive(newEnvelope({ route: { operation, resource: deviceResource("default/thermo") }, content }));

        // Asked for before the device is there: the scan goes on until it is heard.
        await send("update", { device, model, instance: resolveDevice(device, model) });
        const { device: path, paths } = await bluez.appear(MAC, {
            [TEMPERATURE]: { flags: ["read", "notify"], value: [0x10, 0x09] },
            [LEVEL]: { flags: ["read", "write"], value: [7, 0] },
            [LAMP]: { flags: ["read", "write"], value: [0, 0] },
        });
        await eventually(() => expect(latest()).toMatchObject({ temperature: { value: 23.2 }, level: { value: 7 } }));
        expect(states()).toEqual(["online"]);

        await bluez.mock("SetValue", "say", [paths[TEMPERATURE], Buffer.from([0xc4, 0x09])]);
        await eventually(() => expect(latest()).toMatchObject({ temperature: { value: 25 } }));
        await bluez.mock("SetValue", "say", [paths[LEVEL], Buffer.from([8, 1])]);
        await eventually(() => expect(latest()).toMatchObject({ level: { value: 264 } }));

        await send(WRITE, { id: "w1", property: "level", value: 515 });
        await send(WRITE, { id: "w2", property: "lamp", value: "ON" });
        await send(WRITE, { id: "w3", property: "temperature", value: 5 });
        await eventually(() =>
            expect(reports.flatMap(({ written }) => Object.keys(written ?? {})).sort()).toEqual([
                "lamp",
                "level",
                "temperature",
            ]),
        );
        const written = Object.assign({}, ...reports.map((report) => report.written)) as NonNullable<
            MapperReport["written"]
        >;
        expect(written).toMatchObject({
            level: { id: "w1" },
            lamp: { id: "w2" },
            temperature: { id: "w3", error: expect.any(String) },
        });
        expect([written["level"]?.error, written["lamp"]?.error]).toEqual([undefined, undefined]);
        const held = (uuid: string) =>
            bluez.call(paths[uuid] ?? "", "org.bluez.GattCharacteristic1", "ReadValue", "a{sv}", [{}]);
        expect([...((await held(LEVEL)) as Buffer)]).toEqual([3, 2]);
        expect([...((await held(LAMP)) as Buffer)]).toEqual([1, 255]);

        await bluez.call(path, "org.bluez.Device1", "Disconnect");
        await eventually(() => expect(states()).toEqual(["online", "offline", "online"]));
        await bluez.mock("SetValue", "say", [paths[TEMPERATURE], Buffer.from([0x64, 0x00])]);
        await eventually(() => expect(latest()).toMatchObject({ temperature: { value: 1 } }));
    });
});
