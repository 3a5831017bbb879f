// SPDX-License-Identifier: Apache-2.0
import { CloudHub, type CloudHubConfig, cloudHubConfig } from "../../../../src/cloud/cloudhub/index.ts";
import {
    DeviceController,
    type DeviceControllerConfig,
    deviceControllerConfig,
} from "../../../../src/cloud/devicecontroller/index.ts";
import {
    EdgeController,
    type EdgeControllerConfig,
    edgeControllerConfig,
} from "../../../../src/cloud/edgecontroller/index.ts";
import { parseConfig } from "../../../../src/core/config.ts";
import type { CloudIdentity, TlsMaterial } from "../../../../src/link/identity/ports.ts";
import { testPorts } from "../ends.ts";
import { jumpingClock } from "./jumping-clock.ts";
import { remoteCluster } from "./rpc.ts";

export interface CloudOptions {
    readonly tls: TlsMaterial;
    readonly port: number;
    readonly beganMs: number;
}

/** The cloud side as one process: CloudHub and both controllers on wires. User data is told to the parent. */
export async function runCloud({ tls, port, beganMs }: CloudOptions): Promise<void> {
    const clock = jumpingClock(beganMs);
    const ports = { ...testPorts, clock, cluster: remoteCluster() };
    const identity: CloudIdentity = {
        caDer: Buffer.alloc(0),
        caPem: tls.caPem,
        serverTls: async () => tls,
        createToken: async () => "",
        revokeToken: async () => {},
        issue: async () => Buffer.alloc(0),
        onRenewed: () => () => {},
    };
    const config = { websocketPort: port, httpsPort: 0, resendIntervalMs: 2_000 };
    const hub = new CloudHub(parseConfig<CloudHubConfig>(cloudHubConfig, config), { ...ports, identity });
    const edges = new EdgeController(parseConfig<EdgeControllerConfig>(edgeControllerConfig, {}), ports);
    const devices = new DeviceController(parseConfig<DeviceControllerConfig>(deviceControllerConfig, {}), ports);
    // What a component refuses is not acknowledged, so the edge repeats it.
    const refused = (): void => {};
    hub.on("output", (output, envelope) => {
        if (output === "user") process.send?.({ user: envelope.content, id: envelope.header.msg_id });
        if (output === "nodes" || output === "resources") edges.receive(envelope).catch(refused);
        if (output === "nodes" || output === "devices") devices.receive(envelope).catch(refused);
    });
    edges.on("output", (_output, envelope) => void hub.receive(envelope).catch(refused));
    devices.on("output", (_output, envelope) => void hub.receive(envelope).catch(refused));
    await edges.start();
    await devices.start();
    await hub.start();
    process.send?.({ ready: hub.ports.websocket });
}
