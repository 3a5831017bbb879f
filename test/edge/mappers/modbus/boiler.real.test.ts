// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { parseAllDocuments } from "yaml";
import { resolveDevice } from "../../../../src/edge/mappers/device-instance.ts";
import { DirectTransport } from "../../../../src/edge/mappers/modbus/direct-transport.ts";
import { deviceResource, type MapperReport, WRITE } from "../../../../src/edge/mappers/wire.ts";
import { newEnvelope } from "../../../../src/envelope/envelope.ts";
import { eventually } from "../../../support/eventually.ts";
import { freePorts } from "../../../support/free-ports.ts";
import { packageRoot } from "../../../support/node-red.ts";
import { shippedFlow, startMapperFlow } from "../flow.ts";

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** The boiler as examples/devices/boiler.yaml describes it, at the port of this test. */
function boiler(port: number) {
    const text = readFileSync(join(packageRoot, "examples/devices/boiler.yaml"), "utf8");
    const [model, device] = parseAllDocuments(text).map((document) => document.toJS() as never);
    const instance = resolveDevice(device, model);
    const configData = { ...instance.protocol.configData, port: String(port) };
    return { ...instance, protocol: { ...instance.protocol, configData } };
}

test("the simulated boiler: a new set point reaches its register, and the reported temperature follows", async () => {
    const [port = 0] = await freePorts(1);
    const reported: Record<string, { value: unknown }> = {};
    const flow = await startMapperFlow(
        "modbus-mapper.json",
        ({ content }) => Object.assign(reported, (content as MapperReport | null)?.reported),
        shippedFlow("demo-boiler.json").filter(({ type }) => type !== "global-config"),
        { REDGE_BOILER_PORT: String(port) },
    );
    cleanups.push(() => flow.stop());
    const instance = boiler(port);
    const route = { source: "twin", resource: deviceResource(instance.id) };
    const content = { device: {}, model: {}, instance };
    await flow.send(newEnvelope({ route: { ...route, operation: "update" }, content }));
    // Registers, inputs and coils are read apart from each other.
    const startedAt = await eventually(() => {
        expect(reported).toMatchObject({ setpoint: { value: 60 }, burner: { value: true } });
        const temperature = Number(reported["temperature"]?.value);
        expect(temperature).toBeGreaterThan(40);
        return temperature;
    });

    const askedMs = performance.now();
    const write = { id: "w", property: "setpoint", value: 80.5 };
    await flow.send(newEnvelope({ route: { ...route, operation: WRITE }, content: write }));
    const line = new DirectTransport({ kind: "tcp", key: "test", host: "127.0.0.1", port });
    cleanups.push(() => line.close());
    const setPoint = () => line.request({ unit: 1, fc: 3, address: 0, quantity: 1 }, 1000);
    await eventually(async () => expect(await setPoint()).toEqual({ ok: true, values: [805] }));
    console.log(`set point in the register after ${Math.round(performance.now() - askedMs)} ms`);
    await eventually(() => {
        expect(reported["setpoint"]).toMatchObject({ value: 80.5 });
        expect(Number(reported["temperature"]?.value)).toBeGreaterThan(startedAt + 5);
    });
});
