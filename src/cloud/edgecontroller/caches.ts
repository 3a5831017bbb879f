// SPDX-License-Identifier: Apache-2.0
import type { Ports } from "../../core/component.ts";
import type { KubeClient } from "../../kube/client/client.ts";
import { Informer } from "../../kube/client/informer.ts";
import { apiVersionOf, Kinds, type KubeObject, type ResourceType } from "../../kube/types.ts";

/** Followed objects, as they go to the edge: items of a list carry no kind of their own, and no edge reads managedFields. */
export function follow(
    cluster: KubeClient,
    type: ResourceType,
    ports: Ports,
    selection: { readonly fieldSelector?: string } = {},
): Informer<KubeObject> {
    const parse = (object: KubeObject): KubeObject => {
        const { managedFields: _, ...metadata } = object.metadata;
        return { ...object, apiVersion: apiVersionOf(type), kind: type.kind, metadata };
    };
    return new Informer({ cluster, query: { type, ...selection }, parse }, ports);
}

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
