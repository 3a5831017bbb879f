// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import { CloudHub, type CloudHubConfig, cloudHubConfig } from "../../src/cloud/cloudhub/index.ts";
import {
    DeviceController,
    type DeviceControllerConfig,
    deviceControllerConfig,
} from "../../src/cloud/devicecontroller/index.ts";
import {
    EdgeController,
    type EdgeControllerConfig,
    edgeControllerConfig,
} from "../../src/cloud/edgecontroller/index.ts";
import { parseConfig } from "../../src/core/config.ts";
import type { CloudIdentity, TlsMaterial } from "../../src/link/identity/ports.ts";
import { testPorts } from "../../test/support/link/ends.ts";
import { type ApiKind, openCluster } from "./cluster.ts";
import { type Context, type Job, runJob } from "./server-jobs.ts";

/** The cloud side of the bench, a process of its own: CloudHub, both controllers, and an API server. */
export async function serve(optionsPath: string): Promise<void> {
    const { port, quic, quicPort, tls, authorization, bare, api, apiOnly } = JSON.parse(
        readFileSync(optionsPath, "utf8"),
    ) as {
        port: number;
        quic: "off" | "on";
        quicPort: number;
        tls: TlsMaterial;
        authorization: "node" | "kubeedge";
        bare: boolean;
        api: ApiKind;
        apiOnly: boolean;
    };
    const { cluster, what, kubeconfig } = await openCluster(api);
    if (apiOnly) {
        serveJobs({ cluster });
        process.send?.({
            id: 0,
            result: { port: 0, what: what.replace("in the same process", "in a process of its own"), kubeconfig },
        });
        return;
    }
    const identity: CloudIdentity = {
        caDer: Buffer.alloc(0),
        caPem: tls.caPem,
        serverTls: async () => tls,
        createToken: async () => "",
        revokeToken: async () => {},
        issue: async () => Buffer.alloc(0),
        onRenewed: () => () => {},
    };
    const ports = { ...testPorts, cluster };
    const hub = new CloudHub(
        parseConfig<CloudHubConfig>(cloudHubConfig, {
            websocketPort: port,
            httpsPort: 0,
            quic,
            quicPort,
            authorization,
        }),
        { ...ports, identity },
    );
    const edges = new EdgeController(parseConfig<EdgeControllerConfig>(edgeControllerConfig, { authorization }), ports);
    const devices = new DeviceController(
        parseConfig<DeviceControllerConfig>(deviceControllerConfig, { authorization }),
        ports,
    );
    if (!bare) {
        hub.on("output", (output, envelope) => {
            const failed = (): void => {};
            if (output === "nodes" || output === "resources") edges.receive(envelope).catch(failed);
            if (output === "nodes" || output === "devices") devices.receive(envelope).catch(failed);
        });
        edges.on("output", (_output, envelope) => void hub.receive(envelope).catch(() => {}));
        devices.on("output", (_output, envelope) => void hub.receive(envelope).catch(() => {}));
        await edges.start();
        await devices.start();
    }
    await hub.start();
    serveJobs({ cluster, hub });
    process.send?.({ id: 0, result: { port: hub.ports.websocket, quicPort: hub.ports.quic, what } });
}

function serveJobs(context: Context): void {
    process.on("message", (job: Job & { id: number }) => {
        void runJob(job, context).then(
            (result) => process.send?.({ id: job.id, result }),
            (thrown: unknown) => process.send?.({ id: job.id, failure: String(thrown) }),
        );
    });
}
