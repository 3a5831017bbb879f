// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { Aedes } from "aedes";
import { afterEach, expect, test } from "vitest";
import { parseAllDocuments } from "yaml";
import { resolveDevice } from "../../../src/edge/mappers/device-instance.ts";
import { deviceIdOf, deviceResource, type MapperReport, WRITE } from "../../../src/edge/mappers/wire.ts";
import { newEnvelope } from "../../../src/envelope/envelope.ts";
import { eventually } from "../../support/eventually.ts";
import { freePorts } from "../../support/free-ports.ts";
import { packageRoot } from "../../support/node-red.ts";
import { shippedFlow, startMapperFlow } from "./flow.ts";

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** A simulator's flow beside the mapper's, in one Node-RED. */
async function simulate(mapper: string, simulator: readonly object[], env: Readonly<Record<string, string>> = {}) {
    const reports: { readonly id: string; readonly report: MapperReport }[] = [];
    const receive = ({ route, content }: ReturnType<typeof newEnvelope>): void => {
        const id = deviceIdOf(route.resource);
        if (route.operation === "upload" && id !== undefined) reports.push({ id, report: content as MapperReport });
    };
    const flow = await startMapperFlow(mapper, receive, simulator, env);
    cleanups.push(() => flow.stop());
    expect(flow.nodeRed.missingTypes).toEqual([]);
    return {
        send: (id: string, operation: string, content: unknown) =>
            flow.send(newEnvelope({ route: { operation, resource: deviceResource(id) }, content })),
        values: (id: string) =>
            Object.assign(
                {},
                ...reports.filter((one) => one.id === id).map(({ report }) => report.reported),
            ) as NonNullable<MapperReport["reported"]>,
        told: (id: string, property: string) =>
            reports.filter((one) => one.id === id).flatMap(({ report }) => report.reported?.[property] ?? []),
        states: (id: string) => reports.filter((one) => one.id === id).flatMap(({ report }) => report.state ?? []),
    };
}

/** The example with another name and another place. */
function exampleDevice(file: string, name: string, mend: (text: string) => string) {
    const text = mend(readFileSync(join(packageRoot, "examples/devices", file), "utf8"));
    const [model, device] = parseAllDocuments(text).map((document) => document.toJS() as Record<string, object>);
    const named = { ...device, metadata: { ...device?.["metadata"], name } };
    return { device: named, model, instance: resolveDevice(named, model) };
}

const withoutShared = (file: string) =>
    shippedFlow(file).filter(({ type }) => type !== "global-config" && type !== "mqtt-broker");

test("the simulated plant: slaves that are well are read and written, a dead one is offline, a wrong one is bad", async () => {
    const [port = 0] = await freePorts(1);
    const plant = withoutShared("demo-plant.json").map((node) =>
        node["type"] === "tab" ? { ...node, env: [{ name: "PLANT_PORT", value: String(port), type: "str" }] } : node,
    );
    const { send, values, states, told } = await simulate("modbus-mapper.json", plant);
    const slave = (unit: number) =>
        exampleDevice("plant.yaml", `plant-${unit}`, (text) =>
            text.replace('"1602"', `"${port}"`).replace("slaveID: 7", `slaveID: ${unit}`),
        );
    for (const unit of [7, 40, 48, 53]) await send(`default/plant-${unit}`, "update", slave(unit));
    await eventually(() => {
        expect(Math.abs(Number(values("default/plant-7")["temperature"]?.value) - 27)).toBeLessThanOrEqual(1);
        expect(Math.abs(Number(values("default/plant-40")["temperature"]?.value) - 60)).toBeLessThanOrEqual(1);
        expect(states("default/plant-48")).toEqual(["offline"]);
        expect(told("default/plant-53", "temperature").map(({ quality }) => quality)).toContain("bad");
    });
    await send("default/plant-7", WRITE, { id: "w", property: "setpoint", value: 1234 });
    await eventually(() => expect(values("default/plant-7")["setpoint"]).toMatchObject({ value: 1234 }));
    await eventually(() => expect(values("default/plant-40")["setpoint"]).toMatchObject({ value: 0 }));
});

test("the simulated plant answers this machine alone", () => {
    const [byNode] = shippedFlow("demo-plant.json").filter(({ id }) => id === "redge-plant-frames");
    const shown: unknown[] = [];
    const asked = (ip: string) => {
        const node = { status: (status: unknown) => shown.push(status) };
        const context = new Map();
        const payload = Buffer.from([0, 1, 0, 0, 0, 6, 7, 3, 0, 0, 0, 1]);
        const run = new Function("msg", "node", "context", String(byNode?.["func"]));
        return run({ ip, payload, _session: { id: "s" } }, node, context);
    };
    for (const own of ["127.0.0.1", "::ffff:127.0.0.1", "::1"]) {
        expect(asked(own)).toEqual([[expect.objectContaining({ unit: 7 })], [], [], []]);
    }
    expect(shown).toEqual([]);
    for (const other of ["192.0.2.1", "::ffff:192.0.2.127", "2001:db8::1"]) expect(asked(other)).toBeNull();
    expect(shown).toContainEqual(expect.objectContaining({ text: "not answered: 192.0.2.1" }));
});

test("the simulated meters: values by JSON pointer, a relay that is set, and one that sends no JSON", async () => {
    const [port = 0] = await freePorts(1);
    const broker = await Aedes.createBroker();
    const server = createServer(broker.handle);
    await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
    cleanups.push(() => new Promise<void>((resolve) => broker.close(() => server.close(() => resolve()))));
    const env = { REDGE_MQTT_PORT: String(port) };
    const { send, values, told } = await simulate("mqtt-mapper.json", withoutShared("demo-meters.json"), env);
    for (const name of ["meter-1", "meter-4"]) {
        await send(
            `default/${name}`,
            "update",
            exampleDevice("meter.yaml", name, (text) => text),
        );
    }
    await eventually(() => {
        expect(Math.abs(Number(values("default/meter-1")["power"]?.value) - 450)).toBeLessThanOrEqual(20);
        expect(values("default/meter-1")["relay"]).toMatchObject({ value: true });
        const heard = told("default/meter-4", "power").map(({ quality }) => quality);
        expect([heard.includes("bad"), heard.includes(undefined)]).toEqual([true, true]);
    });
    await send("default/meter-1", WRITE, { id: "w", property: "relay", value: false });
    await eventually(() => expect(values("default/meter-1")["relay"]).toMatchObject({ value: false }));
});
