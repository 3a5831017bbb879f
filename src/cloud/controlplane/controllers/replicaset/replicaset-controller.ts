// SPDX-License-Identifier: Apache-2.0
import { statusMessage } from "../../../../kube/client/status-error.ts";
import { labelSelectorMatcher } from "../../../../kube/selectors/labels.ts";
import { Kinds } from "../../../../kube/types.ts";
import type { Condition, Pod } from "../../objects/pod.ts";
import type { ReplicaSet } from "../../objects/workloads.ts";
import type { Caches, ControlPorts } from "../lib/caches.ts";
import { setCondition } from "../lib/conditions.ts";
import { Controller, GATHER_MS, keyOf, splitKey } from "../lib/controller.ts";
import { claim, controllerOf } from "../lib/owners.ts";
import { PodControl } from "../lib/pod-control.ts";
import { availableInMs, byDeletionCost, isActive, isReady } from "../lib/pods.ts";
import { writeStatus } from "../lib/status.ts";

const BURST = 500;

/** Keeps as many pods of a ReplicaSet as it wishes. */
export class ReplicaSetController extends Controller {
    readonly #pods: PodControl;

    constructor(caches: Caches, ports: ControlPorts) {
        super("replicaset-controller", caches, ports);
        this.#pods = new PodControl(Kinds.replicaSet, caches, this.ports, this.events);
    }

    protected watch(): void {
        this.follow(this.caches.replicaSets, (replicaSet, _, gone) => {
            if (gone) this.#pods.expected.forget(keyOf(replicaSet));
            this.queue.add(keyOf(replicaSet));
        });
        this.follow(this.caches.pods, (pod, previous, gone) => this.#podChanged(pod, previous, gone));
    }

    #podChanged(pod: Pod, previous: Pod | undefined, gone: boolean): void {
        for (const version of previous === undefined ? [pod] : [pod, previous]) {
            const owner = controllerOf(version);
            if (owner?.kind !== "ReplicaSet") continue;
            const key = `${pod.metadata.namespace}/${owner.name}`;
            if (gone) this.#pods.expected.gone(key, pod);
            else this.#pods.expected.seen(key, pod);
            this.queue.addAfter(key, GATHER_MS);
        }
        if (controllerOf(pod) !== undefined || gone) return;
        // Nobody's pod: whoever selects it may adopt it.
        for (const replicaSet of this.caches.replicaSets.byIndex("namespace", pod.metadata.namespace ?? "")) {
            if (labelSelectorMatcher(replicaSet.spec.selector)(pod.metadata.labels)) this.queue.add(keyOf(replicaSet));
        }
    }

    protected async reconcile(key: string): Promise<void> {
        const { namespace, name } = splitKey(key);
        const replicaSet = this.caches.replicaSets.get(namespace, name);
        if (replicaSet === undefined) return;
        // Asked before the cache is read: what arrives in between must not make an old count look complete.
        const pendingMs = this.#pods.expected.pendingMs(key);
        const pods = await claim({
            cluster: this.ports.cluster,
            ownerType: Kinds.replicaSet,
            owner: replicaSet,
            type: Kinds.pod,
            selects: labelSelectorMatcher(replicaSet.spec.selector),
            candidates: this.caches.pods.byIndex("namespace", namespace ?? "").filter(isActive),
        });
        let failure: unknown;
        let attempted = 0;
        if (pendingMs !== undefined) this.queue.addAfter(key, pendingMs);
        else if (replicaSet.metadata.deletionTimestamp === undefined) {
            attempted = (replicaSet.spec.replicas ?? 1) - pods.length;
            failure = await this.#scale(replicaSet, pods).then(
                () => undefined,
                (thrown: unknown) => thrown,
            );
        }
        await this.#writeStatus(replicaSet, pods, failure, attempted);
        if (failure !== undefined) throw failure;
    }

    async #scale(replicaSet: ReplicaSet, pods: readonly Pod[]): Promise<void> {
        const missing = (replicaSet.spec.replicas ?? 1) - pods.length;
        if (missing > 0) {
            const templates = Array.from({ length: Math.min(missing, BURST) }, () => replicaSet.spec.template);
            await this.#pods.createAll(replicaSet, templates);
        } else if (missing < 0) {
            const together = this.#crowd(replicaSet);
            const first = [...pods].sort(byDeletionCost(together)).slice(0, Math.min(-missing, BURST));
            const outcomes = await Promise.allSettled(first.map((pod) => this.#pods.delete(replicaSet, pod)));
            const failed = outcomes.find((outcome) => outcome.status === "rejected");
            if (failed !== undefined) throw failed.reason;
        }
    }

    /** How many pods of the same owner (all ReplicaSets of a Deployment count as one) run on a pod's node. */
    #crowd(replicaSet: ReplicaSet): (pod: Pod) => number {
        const owner = controllerOf(replicaSet)?.uid;
        const related = this.caches.replicaSets
            .byIndex("namespace", replicaSet.metadata.namespace ?? "")
            .filter((other) => other === replicaSet || (owner !== undefined && controllerOf(other)?.uid === owner));
        const perNode = new Map<string, number>();
        for (const { metadata } of related) {
            for (const pod of this.caches.pods.byIndex("controller", metadata.uid ?? "")) {
                const node = pod.spec.nodeName ?? "";
                if (isActive(pod)) perNode.set(node, (perNode.get(node) ?? 0) + 1);
            }
        }
        return (pod) => (pod.spec.nodeName ? (perNode.get(pod.spec.nodeName) ?? 0) : 0);
    }

    async #writeStatus(
        replicaSet: ReplicaSet,
        pods: readonly Pod[],
        failure: unknown,
        attempted: number,
    ): Promise<void> {
        const minReadySeconds = replicaSet.spec.minReadySeconds ?? 0;
        const waits = pods.map((pod) => availableInMs(pod, minReadySeconds, this.nowMs));
        const next = Math.min(...waits.filter((waitMs) => waitMs !== undefined && waitMs > 0).map(Number));
        if (Number.isFinite(next)) this.queue.addAfter(keyOf(replicaSet), next);
        const labels = Object.entries(replicaSet.spec.template.metadata?.labels ?? {});
        const labelled = pods.filter(({ metadata }) =>
            labels.every(([name, value]) => metadata.labels?.[name] === value),
        );
        await writeStatus(this.ports.cluster, Kinds.replicaSet, replicaSet, {
            replicas: pods.length,
            fullyLabeledReplicas: labelled.length || undefined,
            readyReplicas: pods.filter(isReady).length || undefined,
            availableReplicas: waits.filter((waitMs) => waitMs === 0).length || undefined,
            observedGeneration: replicaSet.metadata.generation,
            conditions: this.#conditions(replicaSet, failure, attempted),
        });
    }

    #conditions(replicaSet: ReplicaSet, failure: unknown, attempted: number): Condition[] | undefined {
        const known = replicaSet.status?.conditions ?? [];
        const conditions =
            failure === undefined
                ? known.filter(({ type }) => type !== "ReplicaFailure")
                : setCondition(known, this.nowMs, {
                      type: "ReplicaFailure",
                      status: "True",
                      reason: attempted > 0 ? "FailedCreate" : "FailedDelete",
                      message: statusMessage(failure),
                  });
        return conditions.length > 0 ? conditions : undefined;
    }
}
