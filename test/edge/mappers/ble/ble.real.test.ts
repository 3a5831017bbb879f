// SPDX-License-Identifier: Apache-2.0
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, expect, test } from "vitest";
import { parseAllDocuments } from "yaml";
import { systemClock } from "../../../../src/core/clock.ts";
import { silentLogger } from "../../../../src/core/log.ts";
import { noMetrics } from "../../../../src/core/metrics.ts";
import { BleMapper, BluezCentral } from "../../../../src/edge/mappers/ble/index.ts";
import { resolveDevice } from "../../../../src/edge/mappers/device-instance.ts";
import { deviceResource, type MapperReport, WRITE } from "../../../../src/edge/mappers/wire.ts";
import { newEnvelope } from "../../../../src/envelope/envelope.ts";
import { eventually } from "../../../support/eventually.ts";
import { packageRoot } from "../../../support/node-red.ts";
import { describeWith } from "../../../support/requires.ts";
import { bluezPart, PYTHON, startBluez } from "./bluez.ts";

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

/** A mapper on a bus, and what it tells about one device. */
function startMapper(busAddress: string, name: string) {
    const ports = { clock: systemClock, log: silentLogger, metrics: noMetrics, random: Math.random };
    const central = new BluezCentral(systemClock, busAddress);
    const mapper = new BleMapper({ protocol: "bluetooth" }, { ...ports, central });
    cleanups.push(() => mapper.stop());
    const reports: MapperReport[] = [];
    mapper.on("output", (_output, { route, content }) => {
        if (route.operation === "upload") reports.push(content as MapperReport);
    });
    const merged = <K extends "reported" | "written">(part: K) =>
        Object.assign({}, ...reports.map((report) => report[part])) as NonNullable<MapperReport[K]>;
    return {
        mapper,
        latest: () => merged("reported"),
        /** Whether such a value was ever read: a device that comes and goes may be away when somebody looks. */
        heard: (name: string, matches: (value: unknown) => boolean) =>
            reports.some(({ reported }) => reported?.[name] !== undefined && matches(reported[name].value)),
        written: () => merged("written"),
        states: () => reports.flatMap(({ state }) => state ?? []),
        send: (operation: string, content: unknown) =>
            mapper.receive(newEnvelope({ route: { operation, resource: deviceResource(`default/${name}`) }, content })),
    };
}

describeWith([bluezPart], "the Bluetooth mapper on BlueZ's D-Bus interface", () => {
    test("scan, connect, read, notify, write, disconnect and reconnect", async () => {
        const bluez = await startBluez();
        cleanups.push(() => bluez.stop());
        const property = (path: string, iface: string, name: string) =>
            bluez.call(path, "org.freedesktop.DBus.Properties", "Get", "ss", [iface, name]);
        const is = async (path: string, iface: string, name: string): Promise<unknown> =>
            ((await property(path, iface, name)) as { readonly value: unknown }).value;
        const { mapper, send, latest, written, states } = startMapper(bluez.busAddress, "thermo");
        const discovering = () => is("/org/bluez/hci0", "org.bluez.Adapter1", "Discovering");

        // Asked for before the device is there: the scan goes on until it is heard, and ends then.
        await send("update", { device, model, instance: resolveDevice(device, model) });
        await eventually(async () => expect(await discovering()).toBe(true));
        const { device: path, paths } = await bluez.appear(MAC, {
            [TEMPERATURE]: { flags: ["read", "notify"], value: [0x10, 0x09] },
            [LEVEL]: { flags: ["read", "write"], value: [7, 0] },
            [LAMP]: { flags: ["read", "write"], value: [0, 0] },
        });
        const at = (uuid: string): string => paths[uuid] ?? "";
        const connected = () => is(path, "org.bluez.Device1", "Connected");
        const notifying = () => is(at(TEMPERATURE), "org.bluez.GattCharacteristic1", "Notifying");
        const held = async (uuid: string) => [...((await bluez.mock("Held", "s", [at(uuid)])) as Buffer)];
        await eventually(() => expect(latest()).toMatchObject({ temperature: { value: 23.2 }, level: { value: 7 } }));
        expect(states()).toEqual(["online"]);
        await eventually(async () =>
            expect([await connected(), await notifying(), await discovering()]).toEqual([true, true, false]),
        );

        // One is notified, the other read each cycle: it has no notifications.
        await bluez.mock("SetValue", "say", [at(TEMPERATURE), Buffer.from([0xc4, 0x09])]);
        await eventually(() => expect(latest()).toMatchObject({ temperature: { value: 25 } }));
        await bluez.mock("SetValue", "say", [at(LEVEL), Buffer.from([8, 1])]);
        await eventually(() => expect(latest()).toMatchObject({ level: { value: 264 } }));

        await send(WRITE, { id: "w1", property: "level", value: 515 });
        await send(WRITE, { id: "w2", property: "lamp", value: "ON" });
        await send(WRITE, { id: "w3", property: "temperature", value: 5 });
        await eventually(() => expect(Object.keys(written()).sort()).toEqual(["lamp", "level", "temperature"]));
        expect(written()).toMatchObject({
            level: { id: "w1" },
            lamp: { id: "w2" },
            temperature: { id: "w3", error: expect.any(String) },
        });
        expect([written()["level"]?.error, written()["lamp"]?.error]).toEqual([undefined, undefined]);
        expect([await held(LEVEL), await held(LAMP)]).toEqual([
            [3, 2],
            [1, 255],
        ]);

        // Out of reach: offline and bad; what is set meanwhile is written when the device is back, and its notifications go on.
        await bluez.mock("SetInReach", "sb", [path, false]);
        await eventually(() => {
            expect(states()).toEqual(["online", "offline"]);
            expect(latest()["temperature"]).toMatchObject({ quality: "bad" });
        });
        await send(WRITE, { id: "w4", property: "level", value: 1 });
        expect([await connected(), await held(LEVEL), written()["level"]?.id]).toEqual([false, [3, 2], "w1"]);
        await bluez.mock("SetInReach", "sb", [path, true]);
        await eventually(async () => {
            expect(written()["level"]).toMatchObject({ id: "w4" });
            expect(await held(LEVEL)).toEqual([1, 0]);
            expect(await notifying()).toBe(true);
            expect(states()).toEqual(["online", "offline", "online"]);
        });
        await bluez.mock("SetValue", "say", [at(TEMPERATURE), Buffer.from([0x64, 0x00])]);
        await eventually(() => expect(latest()).toMatchObject({ temperature: { value: 1 } }));

        // A mapper that stops leaves the device to others.
        await mapper.stop();
        expect([await connected(), await notifying()]).toEqual([false, false]);
    });

    test("the simulated thermometer: measured, set, away for a while and back", async () => {
        const address = await startSimulator(["--period", "5", "--outage", "1"]);
        const yaml = readFileSync(join(packageRoot, "examples/devices/thermometer.yaml"), "utf8");
        const [itsModel, its] = parseAllDocuments(yaml).map((document) => document.toJS() as Record<string, object>);
        const { send, heard, written, states } = startMapper(address, "thermometer-1");
        await send("update", { device: its, model: itsModel, instance: resolveDevice(its, itsModel) });
        await eventually(() => {
            expect(heard("temperature", (value) => value !== null && Math.abs(Number(value) - 20) <= 2)).toBe(true);
            expect(heard("battery", (value) => value === 87)).toBe(true);
            expect(heard("interval", (value) => value === 1)).toBe(true);
        });
        await send(WRITE, { id: "w", property: "interval", value: 300 });
        await eventually(() => {
            expect(written()).toEqual({ interval: { id: "w", value: 300 } });
            expect(heard("interval", (value) => value === 300)).toBe(true);
            expect(states().slice(0, 3)).toEqual(["online", "offline", "online"]);
        });
    });
});

/** The simulator as a user starts it; the address of its bus. */
async function startSimulator(options: readonly string[]): Promise<string> {
    const script = join(packageRoot, "examples/simulators/bluetooth.py");
    const child = spawn(PYTHON, [script, ...options], { stdio: ["ignore", "pipe", "inherit"] });
    const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
    cleanups.push(async () => {
        child.kill("SIGTERM");
        await ended;
    });
    for await (const line of createInterface({ input: child.stdout })) {
        if (line.startsWith("unix:path=")) return line;
    }
    throw new Error("the simulator ended before it was ready");
}
