// SPDX-License-Identifier: Apache-2.0
import { isConflict, isNotFound } from "../../../../kube/client/status-error.ts";
import { Kinds, type KubeObject, type ResourceType } from "../../../../kube/types.ts";
import { collectedKinds } from "../../objects/types.ts";
import { customResourceType } from "../garbagecollector/resource-types.ts";
import type { Caches, ControlPorts } from "../lib/caches.ts";
import { Controller } from "../lib/controller.ts";
import { named } from "../lib/owners.ts";

const FINALIZER = "kubernetes";
/** Pods take their grace period to go; nothing tells when the last object of any kind is gone. */
const LOOK_AGAIN_MS = 500;

/** Empties a namespace that is being deleted, then lets it go. */
export class NamespaceController extends Controller {
    constructor(caches: Caches, ports: ControlPorts) {
        super("namespace-controller", caches, ports);
    }

    protected watch(): void {
        this.follow(this.caches.namespaces, (namespace, _, gone) => {
            if (!gone && namespace.metadata.deletionTimestamp !== undefined) this.queue.add(namespace.metadata.name);
        });
    }

    protected async reconcile(name: string): Promise<void> {
        const namespace = this.caches.namespaces.get(undefined, name);
        if (namespace?.metadata.deletionTimestamp === undefined) return;
        const { finalizers = [] } = (namespace["spec"] ?? {}) as { finalizers?: string[] };
        if (!finalizers.includes(FINALIZER)) return;
        let left = 0;
        for (const type of this.#types()) left += await this.#empty(type, name);
        if (left > 0) {
            this.queue.addAfter(name, LOOK_AGAIN_MS);
            return;
        }
        const kept = finalizers.filter((finalizer) => finalizer !== FINALIZER);
        const spec = { ...(namespace["spec"] as object), finalizers: kept };
        try {
            await this.ports.cluster.replace(Kinds.namespace, { ...namespace, spec }, "finalize");
        } catch (failure) {
            if (!isNotFound(failure)) throw failure;
        }
    }

    #types(): readonly ResourceType[] {
        const definitions = this.caches.customResourceDefinitions.list();
        const custom = definitions.flatMap((definition) => customResourceType(definition) ?? []);
        // Events last: the deletions before may still cause some.
        return [...collectedKinds, ...custom.filter(({ namespaced }) => namespaced), Kinds.event];
    }

    /** Deletes all objects of a type; answers how many were there. */
    async #empty(type: ResourceType, namespace: string): Promise<number> {
        const items = await this.#list(type, namespace);
        for (const object of items) {
            if (object.metadata.deletionTimestamp !== undefined) continue;
            try {
                const { uid } = object.metadata;
                await this.ports.cluster.delete({ type, ...named(object) }, { uid, propagationPolicy: "Background" });
            } catch (failure) {
                if (!isNotFound(failure) && !isConflict(failure)) throw failure;
            }
        }
        return items.length;
    }

    async #list(type: ResourceType, namespace: string): Promise<readonly KubeObject[]> {
        try {
            return (await this.ports.cluster.list({ type, namespace })).items;
        } catch (failure) {
            // Not served by this API server: then there is nothing of it.
            if (isNotFound(failure)) return [];
            throw failure;
        }
    }
}
