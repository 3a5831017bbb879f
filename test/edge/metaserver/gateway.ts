// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EdgeController, edgeControllerConfig } from "../../../src/cloud/edgecontroller/index.ts";
import { systemClock } from "../../../src/core/clock.ts";
import { parseConfig } from "../../../src/core/config.ts";
import { silentLogger } from "../../../src/core/log.ts";
import { noMetrics } from "../../../src/core/metrics.ts";
import { metaManagerConfig } from "../../../src/edge/metamanager/index.ts";
import { type MetaServerConfig, metaServerConfig, ServingMetaManager } from "../../../src/edge/metaserver/index.ts";
import { type Envelope, newEnvelope } from "../../../src/envelope/envelope.ts";
import type { KubeClient } from "../../../src/kube/client/client.ts";
import { durableClass } from "../../../src/link/durable.ts";
import { openStore } from "../../../src/store/open-store.ts";
import type { DocumentStore } from "../../../src/store/store.ts";

export const NODE = "edge-1";
const ports = { clock: systemClock, log: silentLogger, metrics: noMetrics, random: Math.random };

/** MetaManager with its MetaServer on a store on disk, and EdgeController at the other end of a link that can be cut. */
export class LinkedGateway {
    readonly folder = mkdtempSync(join(tmpdir(), "redge-gateway-"));
    readonly controller: EdgeController;
    readonly toEdged: Envelope[] = [];
    meta: ServingMetaManager | undefined;
    #store: DocumentStore | undefined;
    #up = false;
    /** What the outbox keeps while there is no link. */
    readonly #outbox: Envelope[] = [];

    constructor(cluster: KubeClient) {
        this.controller = new EdgeController(parseConfig(edgeControllerConfig, {}), { ...ports, cluster });
        this.controller.on("output", (_, envelope) => {
            if (!this.#up || envelope.node !== NODE || envelope.route.operation === "sync") return;
            const { node: _node, ...down } = envelope;
            setImmediate(() => void this.meta?.receive(down));
        });
    }

    async start(): Promise<void> {
        this.#store = await openStore({ engine: "nedb", path: join(this.folder, "redge.nedb") }, ports);
        const folder = join(this.folder, "metaserver");
        const config = parseConfig<MetaServerConfig>(metaServerConfig, { folder, port: 0 });
        const meta = new ServingMetaManager(parseConfig(metaManagerConfig, {}), config, {
            ...ports,
            store: this.#store,
        });
        meta.on("output", (output, envelope) => {
            if (output === "edged") this.toEdged.push(envelope);
            else if (this.#up) setImmediate(() => void this.controller.receive({ ...envelope, node: NODE }));
            else if (durableClass(envelope) !== undefined) this.#outbox.push(envelope);
        });
        this.meta = meta;
        await meta.start();
    }

    async stop(): Promise<void> {
        const { meta } = this;
        this.meta = undefined; // What is still on its way to it arrives nowhere, as when a process ends.
        await meta?.stop();
        await this.#store?.close();
    }

    remove(): void {
        rmSync(this.folder, { recursive: true, force: true });
    }

    async link(up: boolean): Promise<void> {
        this.#up = up;
        const operation = up ? "connect" : "disconnect";
        const route = { source: "cloudhub", operation, resource: `node/${NODE}` };
        await this.controller.receive(newEnvelope({ route, content: null, node: NODE }));
        await this.meta?.receive(
            newEnvelope({ route: { source: "edgehub", operation, resource: "link" }, content: null }),
        );
        if (up)
            for (const envelope of this.#outbox.splice(0)) await this.controller.receive({ ...envelope, node: NODE });
    }

    get kubeconfig(): string {
        return this.meta?.server.kubeconfigPath ?? "";
    }
}
