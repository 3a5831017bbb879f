// SPDX-License-Identifier: Apache-2.0
import type { ObjectReader } from "../../../kube/storage/registry.ts";
import type { KubeObject } from "../../../kube/types.ts";
import type { UsageSource } from "../../shared/resource-metrics.ts";
import type { KubeletProxy } from "./kubelet-proxy.ts";

/** Usage of the nodes and pods in the store, asked of the nodes' kubelet endpoints. */
export class StoredUsage implements UsageSource {
    readonly #reader: ObjectReader;
    readonly #kubelet: KubeletProxy;

    constructor(reader: ObjectReader, kubelet: KubeletProxy) {
        this.#reader = reader;
        this.#kubelet = kubelet;
    }

    nodes(name: string | undefined): Promise<readonly KubeObject[]> {
        return this.#read("nodes", "", name);
    }

    pods(namespace: string | undefined, name: string | undefined): Promise<readonly KubeObject[]> {
        return this.#read("pods", namespace, name);
    }

    /** @throws 503 when the node does not answer in time */
    summary(node: string): Promise<unknown> {
        return this.#kubelet.getJson(node, "/stats/summary");
    }

    async #read(plural: string, namespace: string | undefined, name: string | undefined): Promise<KubeObject[]> {
        if (name !== undefined) {
            const stored = await this.#reader.get({ group: "", plural, namespace: namespace ?? "", name });
            return stored === undefined ? [] : [stored.object];
        }
        const { items } = await this.#reader.list({ group: "", plural }, namespace || undefined);
        return items.map(({ object }) => object);
    }
}
