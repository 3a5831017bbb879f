// SPDX-License-Identifier: Apache-2.0
import { mapperReport } from "../../../src/edge/mappers/wire.ts";
import { newEnvelope } from "../../../src/envelope/envelope.ts";
import { type Harness, startTwin, thermo, thermoModel } from "./harness.ts";

export const ID = "default/thermo-1";

/** A mapper's reading of the temperature. */
export const read = (harness: Harness, value: unknown, timestamp?: number) =>
    harness.twin.receive(mapperReport(ID, { reported: { temperature: { value, timestamp } } }));

/** The temperature as the twin has it. */
export const stored = (harness: Harness) => harness.twin.records.get(ID)?.twin.get("temperature")?.actual?.value;

/** What EdgeHub says of the link. */
export const link = (operation: "connect" | "disconnect") =>
    newEnvelope({ route: { source: "edgehub", group: "hub", operation, resource: "link" }, content: null });

/** A twin with one thermometer, whose temperature has that visitor and those further fields. */
export async function withThermo(visitor = {}, property = {}, config = {}): Promise<Harness> {
    const harness = await startTwin(config);
    await harness.cloud("insert", "default/devicemodel/thermo-model", thermoModel);
    const device = thermo(undefined);
    const [temperature, ...others] = device.spec.properties;
    const changed = { ...temperature, ...property, visitors: { protocolName: "modbus", configData: visitor } };
    const spec = { ...device.spec, properties: [changed, ...others] };
    await harness.cloud("insert", "default/device/thermo-1", { ...device, spec });
    await harness.confirmAll();
    return harness;
}
