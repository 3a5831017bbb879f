// SPDX-License-Identifier: Apache-2.0
import type { Ports } from "../../core/component.ts";
import type { KubeClient } from "../../kube/client/client.ts";
import type { Informer } from "../../kube/client/informer.ts";
import { Kinds, type KubeObject } from "../../kube/types.ts";
import { follow } from "../shared/follow.ts";

/** The informers that EdgeController follows. */
export class Caches {
    readonly nodes: Informer<KubeObject>;
    readonly pods: Informer<KubeObject>;
    readonly configMaps: Informer<KubeObject>;
    readonly secrets: Informer<KubeObject>;

    constructor(cluster: KubeClient, ports: Ports) {
        this.nodes = follow(cluster, Kinds.node, ports);
        this.pods = follow(cluster, Kinds.pod, ports, { fieldSelector: "spec.nodeName!=" });
        this.configMaps = follow(cluster, Kinds.configMap, ports);
        this.secrets = follow(cluster, Kinds.secret, ports);
    }

    get all(): readonly Informer<KubeObject>[] {
        return [this.nodes, this.pods, this.configMaps, this.secrets];
    }

    get synced(): boolean {
        return this.all.every((informer) => informer.synced);
    }

    async start(): Promise<void> {
        await Promise.all(this.all.map((informer) => informer.start()));
    }

    async stop(): Promise<void> {
        await Promise.all(this.all.map((informer) => informer.stop()));
        for (const informer of this.all) informer.clear();
    }
}
