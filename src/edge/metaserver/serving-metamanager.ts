// SPDX-License-Identifier: Apache-2.0
import { MetaManager, type MetaManagerConfig, type MetaManagerPorts } from "../metamanager/index.ts";
import type { MetaServerConfig } from "./config.ts";
import { MetaServer } from "./metaserver.ts";

/** MetaManager with its MetaServer. A MetaServer that cannot start is reported and does not keep workloads from running. */
export class ServingMetaManager extends MetaManager {
    readonly #log: MetaManagerPorts["log"];
    readonly server: MetaServer;

    constructor(config: MetaManagerConfig, serverConfig: MetaServerConfig, ports: MetaManagerPorts) {
        super(config, ports);
        this.#log = ports.log;
        this.server = new MetaServer(serverConfig, {
            ...ports,
            cache: this.cache,
            writes: this.writes,
            accountOf: (token) => this.accountOf(token),
        });
    }

    override async start(): Promise<void> {
        await super.start();
        try {
            await this.server.start();
        } catch (error) {
            this.#log.error("MetaServer did not start; everything else runs", { error });
        }
    }

    override async stop(): Promise<void> {
        await this.server.stop();
        await super.stop();
    }
}
