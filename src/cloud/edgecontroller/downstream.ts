// SPDX-License-Identifier: Apache-2.0
import type { Clock, Timer } from "../../core/clock.ts";
import { type Envelope, Group, newEnvelope, Operation, Source } from "../../envelope/envelope.ts";
import { formatResource } from "../../envelope/resource.ts";
import { Kinds, type KubeObject } from "../../kube/types.ts";
import { sameButStatus } from "../shared/versions.ts";
import type { Caches } from "./caches.ts";
import { EchoGuard } from "./echo-guard.ts";
import type { NodeAddress } from "./node-address.ts";
import { PodIndex, type ReferredKind } from "./pod-index.ts";
import { nodeOf, referencesOf } from "./references.ts";

export interface DownstreamOptions {
    readonly caches: Caches;
    readonly address: NodeAddress;
    readonly clock: Clock;
    readonly unusedGraceMs: number;
    readonly send: (envelope: Envelope) => void;
}

type Change = "insert" | "update" | "delete";

/** What nodes should have: everything of a node when it connects, and every change while it is connected. */
export class Downstream {
    readonly pods = new PodIndex();
    readonly echoes = new EchoGuard();
    readonly #options: DownstreamOptions;
    /** Connected nodes, each with the ConfigMaps and Secrets it was given ("secret/<ns>/<name>"). */
    readonly #nodes = new Map<string, Set<string>>();
    /** Nodes that connected before the caches were complete. */
    readonly #waiting = new Set<string>();
    readonly #graces = new Map<string, Timer>();

    constructor(options: DownstreamOptions) {
        this.#options = options;
    }

    /** Listens to the caches; call before they start. */
    attach(): void {
        const { nodes, pods, configMaps, secrets } = this.#options.caches;
        nodes.on("update", (node, previous) => this.#nodeChanged(node, previous));
        nodes.on("add", (node) => this.#pushNode(node));
        nodes.on("delete", (node) => this.#nodeDeleted(node));
        pods.on("add", (pod) => this.#podChanged(pod, undefined));
        pods.on("update", (pod, previous) => this.#podChanged(pod, previous));
        pods.on("delete", (pod) => this.#podDeleted(pod));
        for (const [kind, informer] of [["configmap", configMaps] as const, ["secret", secrets] as const]) {
            informer.on("add", (object) => this.#referredChanged(kind, object, "insert"));
            informer.on("update", (object) => this.#referredChanged(kind, object, "update"));
            informer.on("delete", (object) => this.#referredChanged(kind, object, "delete"));
        }
        for (const informer of this.#options.caches.all) informer.on("synced", () => this.#cachesSynced());
    }

    detach(): void {
        for (const timer of this.#graces.values()) timer.cancel();
        this.#graces.clear();
        this.#nodes.clear();
        this.#waiting.clear();
    }

    get connectedNodes(): number {
        return this.#nodes.size + this.#waiting.size;
    }

    knows(node: string): boolean {
        return this.#nodes.has(node) || this.#waiting.has(node);
    }

    /** Offers everything the node should have, and ends with the list of it. */
    connect(node: string): void {
        if (!this.#options.caches.synced) {
            this.#waiting.add(node);
            return;
        }
        this.#nodes.set(node, new Set());
        const known = this.#options.caches.nodes.get(undefined, node);
        if (known !== undefined) this.#pushNode(known);
        const uids: string[] = [];
        for (const pod of this.pods.podsOf(node)) {
            this.#pushReferences(node, pod, "update", uids);
            this.#push(node, "update", "pod", pod);
            if (pod.metadata.uid !== undefined) uids.push(pod.metadata.uid);
        }
        this.#options.send(
            newEnvelope({
                route: {
                    source: Source.edgecontroller,
                    group: Group.resource,
                    operation: Operation.sync,
                    resource: `node/${node}`,
                },
                content: { kinds: [Kinds.pod.kind, Kinds.configMap.kind, Kinds.secret.kind], uids },
                node,
                timestamp: this.#options.clock.nowMs(),
            }),
        );
    }

    /** Nothing is remembered of a node that is away: all of it is offered again when it is back. */
    disconnect(node: string): void {
        this.#nodes.delete(node);
        this.#waiting.delete(node);
        this.echoes.forget(`node/${node}`);
        for (const pod of this.pods.podsOf(node)) this.echoes.forget(podKey(pod));
        if (this.#options.caches.nodes.get(undefined, node) === undefined) this.#options.address.forget(node);
    }

    pushNodeAgain(name: string): void {
        const node = this.#options.caches.nodes.get(undefined, name);
        if (node !== undefined) this.#pushNode(node);
    }

    /** Ends a status patch by the edge; see EchoGuard. */
    patched(key: string, version: string | undefined): void {
        const held = this.echoes.end(key, version);
        if (held === undefined) return;
        if (held.kind === Kinds.node.kind) this.#pushNode(held);
        else this.#pushPod(held, "update");
    }

    pushPodDelete(node: string, namespace: string, name: string, uid: string | undefined): void {
        const metadata = { name, namespace, ...(uid === undefined ? {} : { uid }) };
        this.#push(node, "delete", "pod", { apiVersion: "v1", kind: Kinds.pod.kind, metadata });
    }

    #cachesSynced(): void {
        if (!this.#options.caches.synced) return;
        const waiting = [...this.#waiting];
        this.#waiting.clear();
        for (const node of waiting) this.connect(node);
    }

    #nodeChanged(node: KubeObject, previous: KubeObject): void {
        if (sameButStatus(node, previous) && this.echoes.holdsBack(`node/${node.metadata.name}`, node)) return;
        this.#pushNode(node);
    }

    #pushNode(node: KubeObject): void {
        this.#push(node.metadata.name, "update", "node", this.#options.address.toEdge(node));
    }

    #nodeDeleted(node: KubeObject): void {
        const { name } = node.metadata;
        this.#push(name, "delete", "node", node);
        this.echoes.forget(`node/${name}`);
        this.#options.address.forget(name);
        this.pods.forget(name);
    }

    #podChanged(pod: KubeObject, previous: KubeObject | undefined): void {
        this.pods.set(pod);
        const key = podKey(pod);
        if (previous !== undefined && sameButStatus(pod, previous) && this.echoes.holdsBack(key, pod)) return;
        // A pod that is seen deleting for the first time has been at the edge before: an update says so.
        const isNew = previous === undefined && pod.metadata.deletionTimestamp === undefined;
        this.#pushPod(pod, isNew ? "insert" : "update");
        const node = nodeOf(pod);
        if (previous !== undefined && node !== undefined) this.#retireReferences(node, previous);
    }

    #pushPod(pod: KubeObject, change: Change): void {
        const node = nodeOf(pod);
        if (node === undefined || !this.#nodes.has(node)) return;
        this.#pushReferences(node, pod, "insert");
        this.#push(node, change, "pod", pod);
    }

    #podDeleted(pod: KubeObject): void {
        this.pods.remove(pod);
        this.echoes.forget(podKey(pod));
        const node = nodeOf(pod);
        if (node === undefined || !this.#nodes.has(node)) return;
        this.#push(node, "delete", "pod", pod);
        this.#retireReferences(node, pod);
    }

    /** What this state of a pod used and no pod there uses now. */
    #retireReferences(node: string, pod: KubeObject): void {
        const { configMaps, secrets } = referencesOf(pod);
        const namespace = pod.metadata.namespace ?? "";
        for (const name of configMaps) this.#retire(node, "configmap", namespace, name);
        for (const name of secrets) this.#retire(node, "secret", namespace, name);
    }

    /** ConfigMaps and Secrets go before the pod that needs them. */
    #pushReferences(node: string, pod: KubeObject, change: Change, uids?: string[]): void {
        const given = this.#nodes.get(node);
        const references = this.pods.referencesOf(pod.metadata.namespace ?? "", pod.metadata.name);
        if (given === undefined || references === undefined) return;
        const { configMaps, secrets } = this.#options.caches;
        const wanted = [
            ...[...references.configMaps].map((name) => ["configmap", configMaps, name] as const),
            ...[...references.secrets].map((name) => ["secret", secrets, name] as const),
        ];
        for (const [kind, cache, name] of wanted) {
            const object = cache.get(pod.metadata.namespace, name);
            const key = `${kind}/${pod.metadata.namespace}/${name}`;
            if (object === undefined || given.has(key)) continue;
            given.add(key);
            // As KubeEdge: a secret is always an update.
            this.#push(node, kind === "secret" ? "update" : change, kind, object);
            if (object.metadata.uid !== undefined) uids?.push(object.metadata.uid);
        }
    }

    #referredChanged(kind: ReferredKind, object: KubeObject, change: Change): void {
        const { namespace = "", name } = object.metadata;
        const key = `${kind}/${namespace}/${name}`;
        const users = new Set(this.pods.nodesUsing(kind, namespace, name));
        for (const [node, given] of this.#nodes) {
            if (!users.has(node) && !given.has(key)) continue;
            if (change === "delete") given.delete(key);
            else given.add(key);
            this.#push(node, kind === "secret" && change === "insert" ? "update" : change, kind, object);
        }
    }

    /** Takes an object away from a node some time after its last pod there has gone. */
    #retire(node: string, kind: ReferredKind, namespace: string, name: string): void {
        const key = `${kind}/${namespace}/${name}`;
        const timerKey = `${node} ${key}`;
        if (this.pods.uses(node, kind, namespace, name)) return;
        this.#graces.get(timerKey)?.cancel();
        const timer = this.#options.clock.after(this.#options.unusedGraceMs, () => {
            this.#graces.delete(timerKey);
            if (this.pods.uses(node, kind, namespace, name) || this.#nodes.get(node)?.delete(key) !== true) return;
            const cache = kind === "secret" ? this.#options.caches.secrets : this.#options.caches.configMaps;
            const object = cache.get(namespace, name);
            if (object !== undefined) this.#push(node, "delete", kind, object);
        });
        this.#graces.set(timerKey, timer);
    }

    #push(node: string, operation: Change, type: string, object: KubeObject): void {
        if (!this.#nodes.has(node)) return;
        this.#options.send(
            newEnvelope({
                route: {
                    source: Source.edgecontroller,
                    group: Group.resource,
                    operation,
                    resource: formatResource(object.metadata.namespace, type, object.metadata.name),
                },
                content: object,
                node,
                resourceVersion: object.metadata.resourceVersion,
                timestamp: this.#options.clock.nowMs(),
            }),
        );
    }
}

function podKey(pod: KubeObject): string {
    return `pod/${pod.metadata.namespace}/${pod.metadata.name}`;
}
