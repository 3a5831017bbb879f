// SPDX-License-Identifier: Apache-2.0
import { isDeepStrictEqual } from "node:util";
import { isNotFound, statusCode } from "../../../kube/client/status-error.ts";
import { Kinds, type KubeObject } from "../../../kube/types.ts";
import type { Caches, ControlPorts } from "../controllers/lib/caches.ts";
import { Controller, keyOf } from "../controllers/lib/controller.ts";
import { named } from "../controllers/lib/owners.ts";
import { conditionOf, isFinished } from "../controllers/lib/pods.ts";
import { metaTime, timeMs } from "../controllers/lib/time.ts";
import type { Node } from "../objects/node.ts";
import type { Pod } from "../objects/pod.ts";
import { chooseNode } from "./filter.ts";

export const SCHEDULER_NAME = "default-scheduler";
const ROUND = "round";
/** Bindings under way at the same time. */
const PARALLEL = 16;

/**
 * Gives every pod without a node the best one there is. A pod that fits nowhere waits, with the reason in its
 * PodScheduled condition and an event, until nodes or pods change.
 */
export class Scheduler extends Controller {
    /** Pods to be looked at in the next round. */
    readonly #due = new Set<string>();
    /** Nodes of pods that were bound, until the cache shows it. */
    readonly #assumed = new Map<string, string>();

    constructor(caches: Caches, ports: ControlPorts) {
        super(SCHEDULER_NAME, caches, ports);
    }

    protected watch(): void {
        this.follow(this.caches.pods, (pod, previous, gone) => {
            if (gone || pod.spec.nodeName) this.#assumed.delete(pod.metadata.uid ?? "");
            if (!gone && isWaiting(pod)) {
                if (previous === undefined || !isDeepStrictEqual(pod.spec, previous.spec)) this.#look(pod);
                return;
            }
            // A pod that ends makes room; one that starts or changes labels may be what another wants to be near.
            const same = previous !== undefined && isFinished(previous) === isFinished(pod);
            if (gone || !same || !isDeepStrictEqual(pod.metadata.labels, previous.metadata.labels)) this.#lookAtAll();
        });
        this.follow(this.caches.nodes, (node, previous, gone) => {
            if (!gone && (previous === undefined || !isDeepStrictEqual(offer(node), offer(previous))))
                this.#lookAtAll();
        });
        this.follow(this.caches.runtimeClasses, () => this.#lookAtAll());
    }

    protected async reconcile(): Promise<void> {
        const due = [...this.#due];
        this.#due.clear();
        const pods = due.flatMap((key) => {
            const slash = key.indexOf("/");
            return this.caches.pods.get(key.slice(0, slash), key.slice(slash + 1)) ?? [];
        });
        pods.sort(byPriority);
        // Nodes are chosen one by one, each choice counting for the next; the answers of the API are waited for together.
        const failures: unknown[] = [];
        const running = new Set<Promise<void>>();
        for (const pod of pods) {
            if (!isWaiting(pod) || this.#assumed.has(pod.metadata.uid ?? "")) continue;
            const work = this.#schedule(pod)
                .catch((failure: unknown) => {
                    this.#due.add(keyOf(pod));
                    failures.push(failure);
                })
                .finally(() => running.delete(work));
            running.add(work);
            if (running.size >= PARALLEL) await Promise.race(running);
        }
        await Promise.all(running);
        if (failures.length > 0) throw failures[0];
    }

    /** Chooses at once; what it answers is the API's confirmation. */
    #schedule(pod: Pod): Promise<void> {
        const runtimeClass = this.caches.runtimeClass(pod.spec.runtimeClassName);
        const present = this.#present();
        const placement = {
            nodes: this.caches.nodes.list(),
            podsOn: (node: Node) => present.get(node.metadata.name) ?? [],
            namespace: (name: string) => this.caches.namespaces.get(undefined, name),
        };
        const choice = chooseNode(pod, placement, runtimeClass);
        return "node" in choice ? this.#bind(pod, choice.node) : this.#refuse(pod, choice.message);
    }

    #present(): Map<string, Pod[]> {
        const present = new Map<string, Pod[]>();
        for (const pod of this.caches.pods.list()) {
            const node = pod.spec.nodeName || this.#assumed.get(pod.metadata.uid ?? "");
            if (!node || isFinished(pod)) continue;
            const there = present.get(node);
            if (there === undefined) present.set(node, [pod]);
            else there.push(pod);
        }
        return present;
    }

    async #bind(pod: Pod, node: Node): Promise<void> {
        const uid = pod.metadata.uid ?? "";
        const { namespace, name } = pod.metadata;
        const binding: KubeObject = {
            apiVersion: "v1",
            kind: "Binding",
            metadata: { name, uid, ...(namespace === undefined ? {} : { namespace }) },
            target: { apiVersion: "v1", kind: "Node", name: node.metadata.name },
        };
        this.#assumed.set(uid, node.metadata.name);
        try {
            await this.ports.cluster.create(Kinds.pod, binding, { name: "binding", of: name });
        } catch (failure) {
            this.#assumed.delete(uid);
            // Deleted, or bound by somebody else, meanwhile: the cache will say so.
            if (isNotFound(failure) || statusCode(failure) === 409) return;
            throw failure;
        }
        this.normal(pod, "Scheduled", `Successfully assigned ${keyOf(pod)} to ${node.metadata.name}`);
    }

    async #refuse(pod: Pod, message: string): Promise<void> {
        this.warning(pod, "FailedScheduling", message);
        const known = conditionOf(pod.status?.conditions, "PodScheduled");
        if (known?.status === "False" && known.message === message) return;
        const condition = {
            type: "PodScheduled",
            status: "False",
            reason: "Unschedulable",
            message,
            lastProbeTime: null,
            lastTransitionTime: known?.status === "False" ? known.lastTransitionTime : metaTime(this.nowMs),
        };
        try {
            const patch = { status: { conditions: [condition] } };
            const options = { subresource: "status" };
            await this.ports.cluster.patch({ type: Kinds.pod, ...named(pod) }, patch, "strategic", options);
        } catch (failure) {
            if (!isNotFound(failure)) throw failure;
        }
    }

    #look(pod: Pod): void {
        this.#due.add(keyOf(pod));
        this.queue.add(ROUND);
    }

    /** All at once, so that the round sees them together and can serve the most important first. */
    #lookAtAll(): void {
        const waiting = this.caches.pods.byIndex("node", "").filter(isWaiting);
        for (const pod of waiting) this.#due.add(keyOf(pod));
        if (waiting.length > 0) this.queue.add(ROUND);
    }
}

function isWaiting(pod: Pod): boolean {
    const { nodeName, schedulerName, schedulingGates } = pod.spec;
    const gated = Array.isArray(schedulingGates) && schedulingGates.length > 0;
    const ours = schedulerName === undefined || schedulerName === SCHEDULER_NAME;
    return !nodeName && ours && !gated && pod.metadata.deletionTimestamp === undefined && !isFinished(pod);
}

function byPriority(one: Pod, other: Pod): number {
    const priority = (other.spec.priority ?? 0) - (one.spec.priority ?? 0);
    if (priority !== 0) return priority;
    return (timeMs(one.metadata.creationTimestamp) ?? 0) - (timeMs(other.metadata.creationTimestamp) ?? 0);
}

/** What of a node matters to scheduling; a heartbeat changes none of it. */
function offer({ metadata, spec, status }: Node): unknown {
    return [metadata.labels, spec?.taints, spec?.unschedulable, status?.allocatable];
}
