// SPDX-License-Identifier: Apache-2.0
import type { EventRecorder } from "../../../../kube/client/event-recorder.ts";
import { isNotFound, statusMessage } from "../../../../kube/client/status-error.ts";
import { Kinds, type KubeObject, type ResourceType } from "../../../../kube/types.ts";
import type { Pod, PodTemplate } from "../../objects/pod.ts";
import type { Caches, ControlPorts } from "./caches.ts";
import { keyOf } from "./controller.ts";
import { Expectations } from "./expectations.ts";
import { controllerReference, named } from "./owners.ts";

/** Pods are made in batches of 1, 2, 4 ... so that a refusal (a quota, a bad template) costs few requests. */
const LARGEST_BATCH = 16;

/** Makes and deletes the pods of one kind of owner, tells it in events, and knows what the cache does not show yet. */
export class PodControl {
    readonly expected: Expectations;
    readonly #ports: ControlPorts;
    readonly #events: EventRecorder;
    readonly #ownerType: ResourceType;
    readonly #caches: Caches;

    constructor(ownerType: ResourceType, caches: Caches, ports: ControlPorts, events: EventRecorder) {
        this.#ownerType = ownerType;
        this.#caches = caches;
        this.#ports = ports;
        this.#events = events;
        this.expected = new Expectations(ports.clock);
    }

    /**
     * One pod from a template, of a generated name unless one is given. Throws what the API server answers, after telling
     * it in an event.
     */
    async create(owner: KubeObject, template: PodTemplate, name?: string): Promise<Pod> {
        const { labels, annotations, finalizers } = template.metadata ?? {};
        const pod: Pod = {
            apiVersion: "v1",
            kind: "Pod",
            metadata: {
                ...(name === undefined ? { name: "", generateName: `${owner.metadata.name}-` } : { name }),
                namespace: owner.metadata.namespace ?? "default",
                ...(labels === undefined ? {} : { labels }),
                ...(annotations === undefined ? {} : { annotations }),
                ...(finalizers === undefined ? {} : { finalizers }),
                ownerReferences: [controllerReference(this.#ownerType, owner)],
            },
            spec: template.spec,
        };
        try {
            const created = (await this.#ports.cluster.create(Kinds.pod, pod)) as Pod;
            // Its event may have been faster than this answer.
            const known = this.#caches.pods.get(created.metadata.namespace, created.metadata.name);
            if (known?.metadata.uid !== created.metadata.uid) this.expected.created(keyOf(owner), created);
            this.#events.record(owner, "Normal", "SuccessfulCreate", `Created pod: ${created.metadata.name}`);
            return created;
        } catch (failure) {
            this.#events.record(owner, "Warning", "FailedCreate", `Error creating: ${statusMessage(failure)}`);
            throw failure;
        }
    }

    /** Pods from many templates; stops at the first batch with a failure and throws it. */
    async createAll(owner: KubeObject, templates: readonly PodTemplate[]): Promise<void> {
        for (let from = 0, size = 1; from < templates.length; from += size, size = Math.min(size * 2, LARGEST_BATCH)) {
            const batch = templates.slice(from, from + size);
            const outcomes = await Promise.allSettled(batch.map((template) => this.create(owner, template)));
            const failed = outcomes.find((outcome) => outcome.status === "rejected");
            if (failed !== undefined) throw failed.reason;
        }
    }

    async delete(owner: KubeObject, pod: Pod): Promise<void> {
        this.expected.deleted(keyOf(owner), pod);
        try {
            await this.#ports.cluster.delete({ type: Kinds.pod, ...named(pod) }, { uid: pod.metadata.uid });
        } catch (failure) {
            this.expected.gone(keyOf(owner), pod);
            if (isNotFound(failure)) return;
            const text = `Error deleting: ${statusMessage(failure)}`;
            this.#events.record(owner, "Warning", "FailedDelete", text);
            throw failure;
        }
        this.#events.record(owner, "Normal", "SuccessfulDelete", `Deleted pod: ${pod.metadata.name}`);
    }
}
