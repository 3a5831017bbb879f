// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "../../../core/clock.ts";
import { RedgeError } from "../../../core/errors/redge-error.ts";
import type { KubeClient } from "../../../kube/client/client.ts";
import { isNotFound } from "../../../kube/client/status-error.ts";
import { Kinds, type KubeObject, type ResourceType } from "../../../kube/types.ts";
import type { UsageSource } from "../../shared/resource-metrics.ts";
import { askNode } from "../ask-node.ts";
import type { TunnelServer } from "../tunnel-server.ts";

/** Usage of the gateways that have a tunnel here, and of their pods. */
export class TunnelUsage implements UsageSource {
    readonly #cluster: KubeClient;
    readonly #tunnels: TunnelServer;
    readonly #clock: Clock;

    constructor(cluster: KubeClient, tunnels: TunnelServer, clock: Clock) {
        this.#cluster = cluster;
        this.#tunnels = tunnels;
        this.#clock = clock;
    }

    async nodes(name: string | undefined): Promise<readonly KubeObject[]> {
        const found = await this.#read(Kinds.node, undefined, name);
        return found.filter(({ metadata }) => this.#tunnels.tunnelOf(metadata.name) !== undefined);
    }

    pods(namespace: string | undefined, name: string | undefined): Promise<readonly KubeObject[]> {
        return this.#read(Kinds.pod, namespace, name);
    }

    /** @throws REDGE_STREAM_OFFLINE */
    async summary(node: string): Promise<unknown> {
        const tunnel = this.#tunnels.tunnelOf(node);
        if (tunnel === undefined) throw new RedgeError("REDGE_STREAM_OFFLINE", { node });
        return await askNode(tunnel, "/stats/summary", this.#clock);
    }

    async #read(
        type: ResourceType,
        namespace: string | undefined,
        name: string | undefined,
    ): Promise<readonly KubeObject[]> {
        if (name === undefined) return (await this.#cluster.list({ type, namespace })).items;
        try {
            return [await this.#cluster.get({ type, namespace, name })];
        } catch (thrown) {
            if (isNotFound(thrown)) return [];
            throw thrown;
        }
    }
}
