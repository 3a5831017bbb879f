// SPDX-License-Identifier: Apache-2.0
import { isAlreadyExists } from "../../../../kube/client/status-error.ts";
import { labelSelectorMatcher } from "../../../../kube/selectors/labels.ts";
import { Kinds } from "../../../../kube/types.ts";
import type { Pod } from "../../objects/pod.ts";
import { ControllerKinds } from "../../objects/types.ts";
import type { ControllerRevision, StatefulSet } from "../../objects/workloads.ts";
import type { Caches, ControlPorts } from "../lib/caches.ts";
import { Controller, GATHER_MS, keyOf, splitKey } from "../lib/controller.ts";
import { CONTROLLER_REVISION_HASH } from "../lib/hash.ts";
import { claim, controllerOf } from "../lib/owners.ts";
import { PodControl } from "../lib/pod-control.ts";
import { availableInMs, isFinished, isReady, isTerminating } from "../lib/pods.ts";
import { type History, RevisionHistory } from "../lib/revision-history.ts";
import { writeStatus } from "../lib/status.ts";
import { claimName, ordinalOf, podName, templateFor, wishedOrdinals } from "./ordinals.ts";

/** Pods with a name, a place in the order and claims of their own (kubernetes.io, "StatefulSets"). */
export class StatefulSetController extends Controller {
    readonly #pods: PodControl;
    readonly #history: RevisionHistory;

    constructor(caches: Caches, ports: ControlPorts) {
        super("statefulset-controller", caches, ports);
        this.#pods = new PodControl(ControllerKinds.statefulSet, caches, this.ports, this.events);
        this.#history = new RevisionHistory(ControllerKinds.statefulSet, caches, this.ports);
    }

    protected watch(): void {
        this.follow(this.caches.statefulSets, (set, _, gone) => {
            if (gone) this.#pods.expected.forget(keyOf(set));
            else this.queue.add(keyOf(set));
        });
        this.follow(this.caches.pods, (pod, _, gone) => {
            const owner = controllerOf(pod);
            if (owner?.kind !== "StatefulSet") return;
            const key = `${pod.metadata.namespace}/${owner.name}`;
            if (gone) this.#pods.expected.gone(key, pod);
            else this.#pods.expected.seen(key, pod);
            this.queue.addAfter(key, GATHER_MS);
        });
    }

    protected async reconcile(key: string): Promise<void> {
        const { namespace, name } = splitKey(key);
        const set = this.caches.statefulSets.get(namespace, name);
        if (set === undefined || set.metadata.deletionTimestamp !== undefined) return;
        const history = await this.#history.construct(set);
        if (history === undefined) return;
        // Asked before the cache is read: what arrives in between must not make an old picture look complete.
        const pendingMs = this.#pods.expected.pendingMs(key);
        const owned = await claim({
            cluster: this.ports.cluster,
            ownerType: ControllerKinds.statefulSet,
            owner: set,
            type: Kinds.pod,
            selects: labelSelectorMatcher(set.spec.selector),
            candidates: this.caches.pods.byIndex("namespace", namespace ?? ""),
        });
        const pods = new Map<number, Pod>();
        for (const pod of owned) {
            const ordinal = ordinalOf(set, pod.metadata.name);
            if (ordinal !== undefined) pods.set(ordinal, pod);
        }
        if (pendingMs !== undefined) this.queue.addAfter(key, pendingMs);
        else await this.#manage(set, pods, history);
        await this.#writeStatus(set, pods, history);
        const live = new Set(owned.map(({ metadata }) => metadata.labels?.[CONTROLLER_REVISION_HASH] ?? ""));
        const unused = history.old.filter(({ metadata }) => metadata.name !== set.status?.currentRevision);
        await this.#history.forgetOld(set, unused, live);
    }

    /** One step at a time, unless the set says that its pods do not mind (podManagementPolicy Parallel). */
    async #manage(set: StatefulSet, pods: ReadonlyMap<number, Pod>, history: History): Promise<void> {
        const oneByOne = set.spec.podManagementPolicy !== "Parallel";
        const wished = wishedOrdinals(set);
        for (const ordinal of wished) {
            const pod = pods.get(ordinal);
            if (pod === undefined) await this.#create(set, ordinal, this.#revisionFor(set, ordinal, history));
            else if (isFinished(pod) && !isTerminating(pod)) await this.#pods.delete(set, pod);
            else if (this.#isHealthy(set, pod)) continue;
            if (oneByOne) return;
        }
        const surplus = [...pods.keys()]
            .filter((ordinal) => !wished.includes(ordinal))
            .sort((one, other) => other - one);
        for (const ordinal of surplus) {
            const pod = pods.get(ordinal);
            if (pod !== undefined && !isTerminating(pod)) await this.#pods.delete(set, pod);
            if (oneByOne) return;
        }
        await this.#roll(set, pods, history);
    }

    /** Replaces the pod with the highest ordinal that has an old template; the next when that one works. */
    async #roll(set: StatefulSet, pods: ReadonlyMap<number, Pod>, { current }: History): Promise<void> {
        if (set.spec.updateStrategy?.type === "OnDelete") return;
        const partition = set.spec.updateStrategy?.rollingUpdate?.partition ?? 0;
        for (const ordinal of wishedOrdinals(set).reverse()) {
            const pod = pods.get(ordinal);
            if (ordinal < partition || pod === undefined) return;
            if (revisionOf(pod) !== current.metadata.name && !isTerminating(pod)) {
                await this.#pods.delete(set, pod);
                return;
            }
            if (!this.#isHealthy(set, pod)) return;
        }
    }

    /** Below the partition a pod that has to be made again keeps the template it had. */
    #revisionFor(set: StatefulSet, ordinal: number, { current, old }: History): ControllerRevision {
        const partition = set.spec.updateStrategy?.rollingUpdate?.partition ?? 0;
        const previous = old.find(({ metadata }) => metadata.name === set.status?.currentRevision);
        return ordinal < partition && previous !== undefined ? previous : current;
    }

    async #create(set: StatefulSet, ordinal: number, revision: ControllerRevision): Promise<void> {
        const name = podName(set, ordinal);
        const namespace = set.metadata.namespace ?? "default";
        for (const claimTemplate of set.spec.volumeClaimTemplates ?? []) {
            const metadata = {
                ...claimTemplate.metadata,
                name: claimName(claimTemplate.metadata.name, name),
                namespace,
                labels: { ...claimTemplate.metadata.labels, ...labelsOf(set) },
            };
            const volumeClaim = { ...claimTemplate, apiVersion: "v1", kind: "PersistentVolumeClaim", metadata };
            await this.ports.cluster.create(ControllerKinds.persistentVolumeClaim, volumeClaim).catch(unlessThere);
        }
        try {
            await this.#pods.create(set, templateFor(set, ordinal, revision), name);
        } catch (failure) {
            // The cache is behind, or a stranger's pod has the name: both end by themselves or by their owner.
            if (!isAlreadyExists(failure)) throw failure;
        }
    }

    #isHealthy(set: StatefulSet, pod: Pod): boolean {
        if (isTerminating(pod)) return false;
        const waitMs = availableInMs(pod, set.spec.minReadySeconds ?? 0, this.nowMs);
        if (waitMs !== undefined && waitMs > 0) this.queue.addAfter(keyOf(set), waitMs);
        return waitMs === 0;
    }

    async #writeStatus(set: StatefulSet, pods: ReadonlyMap<number, Pod>, { current }: History): Promise<void> {
        const alive = [...pods.values()].filter((pod) => !isTerminating(pod) && !isFinished(pod));
        const updated = alive.filter((pod) => revisionOf(pod) === current.metadata.name);
        const wished = set.spec.replicas ?? 1;
        const available = alive.filter((pod) => this.#isHealthy(set, pod));
        const complete = updated.length === wished && alive.length === wished && available.length === wished;
        const currentRevision = complete
            ? current.metadata.name
            : (set.status?.currentRevision ?? current.metadata.name);
        await writeStatus(this.ports.cluster, ControllerKinds.statefulSet, set, {
            replicas: alive.length,
            readyReplicas: alive.filter(isReady).length || undefined,
            availableReplicas: available.length,
            updatedReplicas: updated.length || undefined,
            currentReplicas: alive.filter((pod) => revisionOf(pod) === currentRevision).length || undefined,
            currentRevision,
            updateRevision: current.metadata.name,
            observedGeneration: set.metadata.generation,
        });
    }
}

function revisionOf(pod: Pod): string | undefined {
    return pod.metadata.labels?.[CONTROLLER_REVISION_HASH];
}

function labelsOf({ spec: { selector } }: StatefulSet): Record<string, string> {
    return ((selector ?? {}) as { matchLabels?: Record<string, string> }).matchLabels ?? {};
}

function unlessThere(failure: unknown): void {
    if (!isAlreadyExists(failure)) throw failure;
}
