// SPDX-License-Identifier: Apache-2.0
import { asRecord, asText, type JsonRecord } from "../../core/json.ts";
import type { KubeClient } from "../../kube/client/client.ts";
import { isNotFound } from "../../kube/client/status-error.ts";
import { Kinds, type KubeObject } from "../../kube/types.ts";
import type { EdgeControllerConfig } from "./config.ts";
import type { PodIndex, ReferredKind } from "./pod-index.ts";
import { nodeOf, referencesOf } from "./references.ts";
import { forbidden, foreign, type Request } from "./request.ts";

/**
 * Decides what a node may ask for: itself, its pods, and what those use. Every refusal is REDGE_CLOUD_FORBIDDEN, and
 * `foreign` where the node asks for something that is no business of a node that does its work and nothing else.
 */
export class Authorizer {
    readonly #mode: EdgeControllerConfig["authorization"];
    readonly #pods: PodIndex;
    readonly #cluster: KubeClient;

    constructor(mode: EdgeControllerConfig["authorization"], pods: PodIndex, cluster: KubeClient) {
        this.#mode = mode;
        this.#pods = pods;
        this.#cluster = cluster;
    }

    /** For objects that carry the node's own name: Node and Lease. */
    ownName(request: Request): void {
        if (this.#loose || request.name === request.node) return;
        throw foreign(request, "it is another node's");
    }

    /** A ConfigMap or Secret. A pod that was here may be told late that it ends: what it used is refused, no more. */
    async referred(request: Request, kind: ReferredKind): Promise<void> {
        const { node, namespace = "", name } = request;
        if (this.#loose || this.#pods.uses(node, kind, namespace, name)) return;
        if (this.#pods.usedOnce(node, kind, namespace, name)) {
            throw forbidden(request, "none of its pods uses it any more");
        }
        // What is known here may be behind or incomplete: before a node is cut off, the API itself is asked.
        const pods = await this.#cluster.list({ type: Kinds.pod, namespace, fieldSelector: `spec.nodeName=${node}` });
        const used = pods.items.some((pod) => nodeOf(pod) === node && names(pod, kind).has(name));
        if (!used) throw foreign(request, "none of its pods uses it");
    }

    attached(request: Request, node: string): void {
        if (this.#loose || node === request.node) return;
        throw forbidden(request, "it is attached to another node");
    }

    claim(request: Request, namespace: string, name: string): void {
        if (this.#loose || this.#pods.usesClaim(request.node, namespace, name)) return;
        throw forbidden(request, "none of its pods uses it");
    }

    /** A pod the node wants to change. One that no longer exists passes: the API's own answer says so. */
    async ownPod(request: Request): Promise<void> {
        if (this.#loose) return;
        const pod = await this.#pod(request);
        if (pod !== undefined && nodeOf(pod) !== request.node) throw forbidden(request, "the pod runs elsewhere");
    }

    /** A mirror pod the node wants to create: bound to it, and not a way to objects of others. */
    mirrorPod(request: Request, pod: JsonRecord): void {
        if (this.#loose) return;
        const spec = asRecord(pod["spec"]);
        if (asText(spec["nodeName"]) !== request.node) throw forbidden(request, "the pod is not bound to it");
        const annotations = asRecord(asRecord(pod["metadata"])["annotations"]);
        if (asText(annotations["kubernetes.io/config.mirror"]) === undefined) {
            throw forbidden(request, "a node creates mirror pods only");
        }
        if (
            /"(?:secret|configMap|persistentVolumeClaim|secretKeyRef|configMapKeyRef|secretRef|configMapRef)":\{/.test(
                JSON.stringify(spec),
            )
        ) {
            throw forbidden(request, "a mirror pod uses no object of the API");
        }
    }

    /** A token of a service account: for a pod of the node that runs as it, and bound to that pod. */
    async token(request: Request, spec: JsonRecord): Promise<void> {
        if (this.#loose) return;
        const bound = asRecord(spec["boundObjectRef"]);
        const about = { ...request, name: asText(bound["name"]) ?? "" };
        const pod = asText(bound["kind"]) === "Pod" ? await this.#pod(about) : undefined;
        const unbound = "the token is not bound to one of its pods";
        if (pod !== undefined && nodeOf(pod) !== request.node) {
            const moved = this.#pods.wasAt(request.node, request.namespace ?? "", about.name);
            throw moved ? forbidden(request, unbound) : foreign(request, unbound);
        }
        if (pod === undefined || pod.metadata.uid !== bound["uid"]) throw forbidden(request, unbound);
        if (referencesOf(pod).serviceAccount !== request.name) {
            throw forbidden(request, "the pod runs as another service account");
        }
    }

    /** An event about a node or pod must be about the node itself or one of its pods. */
    event(request: Request, event: JsonRecord): void {
        if (this.#loose) return;
        const about = asRecord(event["involvedObject"]);
        if (about["kind"] === "Node" && about["name"] !== request.node)
            throw forbidden(request, "it is about another node");
        if (about["kind"] !== "Pod") return;
        const pod = this.#pods.get(asText(about["namespace"]) ?? "", asText(about["name"]) ?? "");
        if (pod !== undefined && nodeOf(pod) !== request.node)
            throw forbidden(request, "it is about another node's pod");
    }

    get #loose(): boolean {
        return this.#mode === "kubeedge";
    }

    /** As known here, else as the API has it: what is known here may be behind. */
    async #pod(request: Request): Promise<KubeObject | undefined> {
        const known = this.#pods.get(request.namespace ?? "", request.name);
        if (known !== undefined || request.name === "") return known;
        try {
            return await this.#cluster.get({ type: Kinds.pod, namespace: request.namespace, name: request.name });
        } catch (thrown) {
            if (isNotFound(thrown)) return undefined;
            throw thrown;
        }
    }
}

function names(pod: KubeObject, kind: ReferredKind): ReadonlySet<string> {
    const { configMaps, secrets } = referencesOf(pod);
    return kind === "secret" ? secrets : configMaps;
}
