// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../src/core/clock.ts";
import type { Ports } from "../../src/core/component.ts";
import { parseConfig } from "../../src/core/config.ts";
import { silentLogger } from "../../src/core/log.ts";
import { noMetrics } from "../../src/core/metrics.ts";
import { DeviceTwin, type DeviceTwinConfig, deviceTwinConfig } from "../../src/edge/devicetwin/index.ts";
import { EventBus, type EventBusConfig, eventBusConfig } from "../../src/edge/eventbus/index.ts";
import { ModbusMapper, type ModbusMapperConfig, modbusMapperConfig } from "../../src/edge/mappers/modbus/index.ts";
import { type Envelope, newEnvelope } from "../../src/envelope/envelope.ts";
import { openStore } from "../../src/store/open-store.ts";

export const ports: Ports = { clock: systemClock, log: silentLogger, metrics: noMetrics, random: Math.random };

export interface Gateway {
    readonly bus: EventBus;
    readonly twin: DeviceTwin;
    readonly mapper: ModbusMapper;
    /** Hands DeviceTwin what DeviceController sends. */
    push(operation: string, resource: string, content: unknown, group?: string): Promise<void>;
    stop(): Promise<void>;
}

/** EventBus, DeviceTwin and the Modbus mapper on their wires, with a store on disk; the cloud confirms at once. */
export async function startGateway(
    onTwin: (output: string, envelope: Envelope) => void = () => {},
    engine: "nedb" | "sqlite" = "nedb",
): Promise<Gateway> {
    const folder = mkdtempSync(join(tmpdir(), "redge-bench-"));
    const store = await openStore({ engine, path: join(folder, "edge.db") }, ports);
    const twin = new DeviceTwin(parseConfig<DeviceTwinConfig>(deviceTwinConfig, {}), { ...ports, store });
    const bus = new EventBus(parseConfig<EventBusConfig>(eventBusConfig, { port: 0 }), { ...ports, store });
    const mapper = new ModbusMapper(parseConfig<ModbusMapperConfig>(modbusMapperConfig, { lanes: 0 }), ports);
    const refused = (thrown: unknown): never => {
        throw thrown;
    };
    bus.on("output", (output, envelope) => {
        if (output === "devicetwin") twin.receive(envelope).catch(refused);
    });
    mapper.on("output", (_output, envelope) => void twin.receive(envelope).catch(refused));
    twin.on("output", (output, envelope) => {
        onTwin(output, envelope);
        if (output === "eventbus") bus.receive(envelope).catch(refused);
        else if (output === "mappers") mapper.receive(envelope).catch(refused);
        else if (envelope.route.operation === "update")
            setImmediate(() => twin.receive(confirmation(envelope)).catch(refused));
    });
    await twin.start();
    await bus.start();
    await mapper.start();
    return {
        bus,
        twin,
        mapper,
        push: (operation, resource, content, group = "resource") =>
            twin.receive(newEnvelope({ route: { source: "devicecontroller", group, operation, resource }, content })),
        stop: async () => {
            // From the devices to the broker: whoever still publishes must find it there.
            await mapper.stop();
            await twin.stop();
            await bus.stop();
            await store.close();
            rmSync(folder, { recursive: true, force: true });
        },
    };
}

function confirmation({ header }: Envelope): Envelope {
    const route = { source: "devicecontroller", group: "twin", operation: "response", resource: "twin" };
    return newEnvelope({ route, content: "OK", parentId: header.msg_id });
}

export function model(properties: readonly string[]): object {
    return {
        apiVersion: "devices.kubeedge.io/v1beta1",
        kind: "DeviceModel",
        metadata: { name: "bench", namespace: "default" },
        spec: {
            protocol: "modbus",
            properties: properties.map((name) => ({ name, type: "INT", accessMode: "ReadWrite" })),
        },
    };
}

export interface DeviceOptions {
    /** Of its first property. */
    readonly desired?: string;
    /** Register of its first property. */
    readonly first?: number;
    readonly collectCycleMs?: number;
    /** Whose device it is; absent: the gateway of a site. */
    readonly node?: string;
}

/** A device with one holding register a property, at `unit` of a Modbus TCP server; port 0: a device that no mapper takes. */
export function device(
    name: string,
    unit: number,
    port: number,
    properties: readonly string[],
    { desired, first = 0, collectCycleMs = 1000, node = "edge" }: DeviceOptions = {},
): object {
    return {
        apiVersion: "devices.kubeedge.io/v1beta1",
        kind: "Device",
        metadata: { name, namespace: "default" },
        spec: {
            deviceModelRef: { name: "bench" },
            nodeName: node,
            protocol: {
                protocolName: port === 0 ? "none" : "modbus",
                configData: { ip: "127.0.0.1", port: String(port), slaveID: unit },
            },
            properties: properties.map((property, index) => ({
                name: property,
                collectCycle: collectCycleMs,
                ...(desired === undefined || index > 0 ? {} : { desired: { value: desired } }),
                visitors: {
                    protocolName: "modbus",
                    configData: { register: "HoldingRegister", offset: first + index },
                },
            })),
        },
    };
}
