// SPDX-License-Identifier: Apache-2.0
import { ServerTCP } from "modbus-serial";
import {
    DeviceController,
    type DeviceControllerConfig,
    deviceControllerConfig,
} from "../../../src/cloud/devicecontroller/index.ts";
import { parseConfig } from "../../../src/core/config.ts";
import { DeviceTwin, type DeviceTwinConfig, deviceTwinConfig } from "../../../src/edge/devicetwin/index.ts";
import { EventBus, type EventBusConfig, eventBusConfig } from "../../../src/edge/eventbus/index.ts";
import { ModbusMapper, type ModbusMapperConfig, modbusMapperConfig } from "../../../src/edge/mappers/modbus/index.ts";
import type { Envelope } from "../../../src/envelope/envelope.ts";
import type { KubeClient } from "../../../src/kube/client/client.ts";
import { openStore } from "../../../src/store/open-store.ts";
import { makeCloudHub, makeEdgeHub, testPorts } from "../link/ends.ts";
import type { TestPki } from "../link/test-pki.ts";

/** What a component refuses is no part of these tests: it fails them. */
export type Refused = (thrown: unknown) => void;

/** CloudHub and DeviceController on their wires, over an API server. `seen` is told what comes from the gateways. */
export async function startCloud(
    pki: TestPki,
    cluster: KubeClient,
    seen: (envelope: Envelope) => void,
    refused: Refused,
): Promise<{ readonly port: number; stop(): Promise<void> }> {
    const hub = makeCloudHub(pki, cluster);
    const devices = new DeviceController(parseConfig<DeviceControllerConfig>(deviceControllerConfig, {}), {
        ...testPorts,
        cluster,
    });
    hub.on("output", (output, envelope) => {
        if (output === "devices") seen(envelope);
        if (output === "devices" || output === "nodes") devices.receive(envelope).catch(refused);
    });
    devices.on("output", (_output, envelope) => void hub.receive(envelope).catch(refused));
    await devices.start();
    await hub.start();
    return {
        port: hub.ports.websocket,
        stop: async () => {
            await hub.stop();
            await devices.stop();
        },
    };
}

export interface PlantGateway {
    readonly mqttUrl: string;
    stop(): Promise<void>;
}

/** EdgeHub, EventBus, DeviceTwin and the Modbus mapper on their wires, with their store in a file. */
export async function startPlantGateway(
    pki: TestPki,
    node: string,
    cloudPort: number,
    file: string,
    refused: Refused,
): Promise<PlantGateway> {
    const store = await openStore({ engine: "nedb", path: file }, testPorts);
    const hub = makeEdgeHub(pki.edgeIdentity(node), cloudPort, {}, store);
    const ports = { ...testPorts, store };
    const twin = new DeviceTwin(parseConfig<DeviceTwinConfig>(deviceTwinConfig, { nodeName: node }), ports);
    const bus = new EventBus(parseConfig<EventBusConfig>(eventBusConfig, { nodeName: node, port: 0 }), ports);
    const mapper = new ModbusMapper(parseConfig<ModbusMapperConfig>(modbusMapperConfig, { lanes: 0 }), testPorts);
    hub.on("output", (output, envelope) => {
        if (output === "devices" || output === "link") twin.receive(envelope).catch(refused);
        if (output === "link") bus.receive(envelope).catch(refused);
    });
    bus.on("output", (output, envelope) => {
        void (output === "devicetwin" ? twin : hub).receive(envelope).catch(refused);
    });
    mapper.on("output", (_output, envelope) => void twin.receive(envelope).catch(refused));
    twin.on("output", (output, envelope) => {
        void { edgehub: hub, eventbus: bus, mappers: mapper }[output].receive(envelope).catch(refused);
    });
    await twin.start();
    await bus.start();
    await mapper.start();
    await hub.start();
    return {
        mqttUrl: `mqtt://127.0.0.1:${bus.port}`,
        stop: async () => {
            await mapper.stop();
            await hub.stop();
            await twin.stop();
            await bus.stop();
            await store.close();
        },
    };
}

/** A Modbus TCP slave that remembers every write of a holding register, in order. */
export async function startSlave(port: number): Promise<{ readonly writes: number[]; stop(): Promise<void> }> {
    const writes: number[] = [];
    let held = 0;
    const server = new ServerTCP(
        {
            getHoldingRegister: () => held,
            setRegister: (_address: number, value: number) => {
                held = value;
                writes.push(value);
            },
        },
        { host: "127.0.0.1", port, unitID: 1 },
    );
    await new Promise<void>((resolve, reject) => {
        server.on("initialized", () => resolve());
        server.on("socketError", (thrown) => reject(thrown));
    });
    return { writes, stop: () => new Promise<void>((resolve) => server.close(() => resolve())) };
}
