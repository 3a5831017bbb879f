// SPDX-License-Identifier: Apache-2.0
import { isNotFound } from "../../../kube/client/status-error.ts";
import { Kinds } from "../../../kube/types.ts";
import type { Pod } from "../objects/pod.ts";
import type { Caches, ControlPorts } from "./lib/caches.ts";
import { Controller, keyOf, splitKey } from "./lib/controller.ts";
import { isTerminating } from "./lib/pods.ts";

/** A node may be registered a little after its pods are seen; only then do they count as orphans. */
const QUARANTINE_MS = 40_000;

/** Removes pods that nobody else will: of nodes that are gone, and deleted ones that never had a node. */
export class PodGarbageController extends Controller {
    readonly #orphanedMs = new Map<string, number>();

    constructor(caches: Caches, ports: ControlPorts) {
        super("pod-garbage-collector", caches, ports);
    }

    protected watch(): void {
        this.follow(this.caches.pods, (pod, _, gone) => {
            if (gone) this.#orphanedMs.delete(keyOf(pod));
            else this.queue.add(keyOf(pod));
        });
        this.follow(this.caches.nodes, (node, _, gone) => {
            if (!gone) return;
            for (const pod of this.caches.pods.byIndex("node", node.metadata.name)) this.queue.add(keyOf(pod));
        });
    }

    protected async reconcile(key: string): Promise<void> {
        const { namespace, name } = splitKey(key);
        const pod = this.caches.pods.get(namespace, name);
        if (pod === undefined) return;
        const { nodeName } = pod.spec;
        if (!nodeName) {
            if (isTerminating(pod)) await this.#remove(pod);
            return;
        }
        if (this.caches.nodes.get(undefined, nodeName) !== undefined) {
            this.#orphanedMs.delete(key);
            return;
        }
        const nowMs = this.ports.clock.monotonicMs();
        const sinceMs = this.#orphanedMs.get(key) ?? nowMs;
        this.#orphanedMs.set(key, sinceMs);
        if (nowMs - sinceMs < QUARANTINE_MS) {
            this.queue.addAfter(key, QUARANTINE_MS - (nowMs - sinceMs));
            return;
        }
        if (await this.#nodeExists(nodeName)) return;
        await this.#remove(pod);
    }

    async #nodeExists(name: string): Promise<boolean> {
        try {
            await this.ports.cluster.get({ type: Kinds.node, name });
            return true;
        } catch (failure) {
            if (isNotFound(failure)) return false;
            throw failure;
        }
    }

    async #remove({ metadata: { namespace, name, uid } }: Pod): Promise<void> {
        try {
            await this.ports.cluster.delete({ type: Kinds.pod, namespace, name }, { gracePeriodSeconds: 0, uid });
        } catch (failure) {
            if (!isNotFound(failure)) throw failure;
        }
    }
}
