// SPDX-License-Identifier: Apache-2.0
import { isAlreadyExists } from "../../../kube/client/status-error.ts";
import { Kinds, type KubeObject, type ResourceType } from "../../../kube/types.ts";
import type { Caches, ControlPorts } from "./lib/caches.ts";
import { Controller } from "./lib/controller.ts";

const ROOT_CA = "kube-root-ca.crt";

/** Puts the ServiceAccount `default` and the API server's CA into every namespace. */
export class NamespaceDefaultsController extends Controller {
    readonly #caPem: string | undefined;

    constructor(caPem: string | undefined, caches: Caches, ports: ControlPorts) {
        super("serviceaccount-controller", caches, ports);
        this.#caPem = caPem;
    }

    protected watch(): void {
        this.follow(this.caches.namespaces, ({ metadata }, _, gone) => {
            if (!gone) this.queue.add(metadata.name);
        });
        for (const informer of [this.caches.serviceAccounts, this.caches.rootCertificates]) {
            this.follow(informer, ({ metadata }) => this.queue.add(metadata.namespace ?? ""));
        }
    }

    protected async reconcile(namespace: string): Promise<void> {
        const found = this.caches.namespaces.get(undefined, namespace);
        if (found === undefined || found.metadata.deletionTimestamp !== undefined) return;
        if (this.caches.serviceAccounts.get(namespace, "default") === undefined) {
            const metadata = { name: "default", namespace };
            await this.#create(Kinds.serviceAccount, { apiVersion: "v1", kind: "ServiceAccount", metadata });
        }
        if (this.#caPem === undefined) return;
        const data = { "ca.crt": this.#caPem };
        const known = this.caches.rootCertificates.get(namespace, ROOT_CA);
        const metadata = { name: ROOT_CA, namespace };
        if (known === undefined) {
            await this.#create(Kinds.configMap, { apiVersion: "v1", kind: "ConfigMap", metadata, data });
        } else if ((known["data"] as typeof data | undefined)?.["ca.crt"] !== this.#caPem) {
            await this.ports.cluster.replace(Kinds.configMap, { ...known, data });
        }
    }

    async #create(type: ResourceType, object: KubeObject): Promise<void> {
        try {
            await this.ports.cluster.create(type, object);
        } catch (failure) {
            if (!isAlreadyExists(failure)) throw failure;
        }
    }
}
