// SPDX-License-Identifier: Apache-2.0

import { asRecord, asText, type JsonRecord } from "../../core/json.ts";
import type { KubeClient } from "../../kube/client/client.ts";
import { isNotFound } from "../../kube/client/status-error.ts";
import { Kinds, type KubeObject } from "../../kube/types.ts";
import type { EdgeControllerConfig } from "./config.ts";
import type { PodIndex, ReferredKind } from "./pod-index.ts";
import { nodeOf } from "./references.ts";
import { forbidden, type Request } from "./request.ts";

/** Decides what a node may ask for: itself, its pods, and what those use. Every refusal is REDGE_CLOUD_FORBIDDEN. */
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
        throw forbidden(request, "it is another node's");
    }

    referred(request: Request, kind: ReferredKind): void {
        if (this.#loose || this.#pods.uses(request.node, kind, request.namespace ?? "", request.name)) return;
        throw forbidden(request, "none of its pods uses it");
    }

    claim(request: Request, namespace: string, name: string): void {
        if (this.#loose || this.#pods.usesClaim(request.node, namespace, name)) return;
        throw forbidden(request, "none of its pods uses it");
    }

    /** A pod the node wants to change. One that no longer exists passes: the API's own answer says so. */
    async ownPod(request: Request): Promise<void> {
        if (this.#loose) return;
        const pod = this.#pods.get(request.namespace ?? "", request.name) ?? (await this.#fetchPod(request));
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
    token(request: Request, spec: JsonRecord): void {
        if (this.#loose) return;
        const bound = asRecord(spec["boundObjectRef"]);
        const name = asText(bound["name"]) ?? "";
        const namespace = request.namespace ?? "";
        const pod = asText(bound["kind"]) === "Pod" ? this.#pods.get(namespace, name) : undefined;
        if (pod === undefined || nodeOf(pod) !== request.node || pod.metadata.uid !== bound["uid"]) {
            throw forbidden(request, "the token is not bound to one of its pods");
        }
        if (this.#pods.referencesOf(namespace, name)?.serviceAccount !== request.name) {
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

    async #fetchPod(request: Request): Promise<KubeObject | undefined> {
        try {
            return await this.#cluster.get({ type: Kinds.pod, namespace: request.namespace, name: request.name });
        } catch (thrown) {
            if (isNotFound(thrown)) return undefined;
            throw thrown;
        }
    }
}
