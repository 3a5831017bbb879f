// SPDX-License-Identifier: Apache-2.0
import type { KubeObject } from "../../kube/types.ts";
import { OnceHeld } from "../shared/once-held.ts";
import { nodeOf, type PodReferences, referencesOf } from "./references.ts";

interface Entry {
    readonly pod: KubeObject;
    readonly node: string;
    readonly references: PodReferences;
}

export type ReferredKind = "configmap" | "secret";

/** Pods by node, and which nodes use which ConfigMap or Secret. Fed by the pod informer. */
export class PodIndex {
    readonly #byPod = new Map<string, Entry>();
    readonly #byNode = new Map<string, Set<string>>();
    /** "configmap/<ns>/<name>" -> node -> how many of its pods use it. */
    readonly #users = new Map<string, Map<string, number>>();
    readonly #former = new OnceHeld();

    /** Takes a pod's newest state; one that is bound to no node is not kept. */
    set(pod: KubeObject): void {
        this.remove(pod);
        const node = nodeOf(pod);
        if (node === undefined) return;
        const key = keyOf(pod);
        const entry = { pod, node, references: referencesOf(pod) };
        this.#byPod.set(key, entry);
        const pods = this.#byNode.get(node) ?? new Set();
        this.#byNode.set(node, pods.add(key));
        for (const reference of usesOf(entry)) this.#count(reference, node, 1);
    }

    remove(pod: KubeObject): void {
        const key = keyOf(pod);
        const entry = this.#byPod.get(key);
        if (entry === undefined) return;
        this.#byPod.delete(key);
        const pods = this.#byNode.get(entry.node);
        pods?.delete(key);
        if (pods?.size === 0) this.#byNode.delete(entry.node);
        for (const reference of usesOf(entry)) this.#count(reference, entry.node, -1);
        this.#former.add(entry.node, `pod/${key}`);
    }

    get(namespace: string, name: string): KubeObject | undefined {
        return this.#byPod.get(`${namespace}/${name}`)?.pod;
    }

    podsOf(node: string): readonly KubeObject[] {
        return this.#entriesOf(node).map((entry) => entry.pod);
    }

    referencesOf(namespace: string, name: string): PodReferences | undefined {
        return this.#byPod.get(`${namespace}/${name}`)?.references;
    }

    nodesUsing(kind: ReferredKind, namespace: string, name: string): readonly string[] {
        return [...(this.#users.get(`${kind}/${namespace}/${name}`)?.keys() ?? [])];
    }

    uses(node: string, kind: ReferredKind, namespace: string, name: string): boolean {
        return this.#users.get(`${kind}/${namespace}/${name}`)?.has(node) ?? false;
    }

    /** True when a pod that was at the node used it, as far as that is remembered. */
    usedOnce(node: string, kind: ReferredKind, namespace: string, name: string): boolean {
        return this.#former.has(node, `${kind}/${namespace}/${name}`);
    }

    /** True when the pod was at the node, as far as that is remembered. */
    wasAt(node: string, namespace: string, name: string): boolean {
        return this.#former.has(node, `pod/${namespace}/${name}`);
    }

    /** The Node was deleted. */
    forget(node: string): void {
        this.#former.forget(node);
    }

    usesClaim(node: string, namespace: string, claim: string): boolean {
        return this.#entriesOf(node).some(
            ({ pod, references }) => pod.metadata.namespace === namespace && references.claims.has(claim),
        );
    }

    /** True when a pod of that node runs as the service account. */
    usesAccount(node: string, namespace: string, account: string): boolean {
        return this.#entriesOf(node).some(
            ({ pod, references }) => pod.metadata.namespace === namespace && references.serviceAccount === account,
        );
    }

    #entriesOf(node: string): readonly Entry[] {
        const keys = [...(this.#byNode.get(node) ?? [])];
        return keys.map((key) => this.#byPod.get(key)).filter((entry) => entry !== undefined);
    }

    #count(reference: string, node: string, by: 1 | -1): void {
        const users = this.#users.get(reference) ?? new Map<string, number>();
        const count = (users.get(node) ?? 0) + by;
        if (count > 0) users.set(node, count);
        else if (users.delete(node)) this.#former.add(node, reference);
        if (users.size > 0) this.#users.set(reference, users);
        else this.#users.delete(reference);
    }
}

function keyOf(pod: KubeObject): string {
    return `${pod.metadata.namespace ?? ""}/${pod.metadata.name}`;
}

function usesOf({ pod, references }: Entry): readonly string[] {
    const namespace = pod.metadata.namespace ?? "";
    return [
        ...[...references.configMaps].map((name) => `configmap/${namespace}/${name}`),
        ...[...references.secrets].map((name) => `secret/${namespace}/${name}`),
    ];
}
