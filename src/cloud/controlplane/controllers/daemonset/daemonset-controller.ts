// SPDX-License-Identifier: Apache-2.0
import { isDeepStrictEqual } from "node:util";
import { labelSelectorMatcher } from "../../../../kube/selectors/labels.ts";
import { Kinds } from "../../../../kube/types.ts";
import type { Node } from "../../objects/node.ts";
import type { Pod } from "../../objects/pod.ts";
import type { DaemonSet } from "../../objects/workloads.ts";
import type { Caches, ControlPorts } from "../lib/caches.ts";
import { Controller, GATHER_MS, keyOf, splitKey } from "../lib/controller.ts";
import { CONTROLLER_REVISION_HASH } from "../lib/hash.ts";
import { claim, controllerOf } from "../lib/owners.ts";
import { PodControl } from "../lib/pod-control.ts";
import { availableInMs, isReady, isTerminating } from "../lib/pods.ts";
import { RevisionHistory } from "../lib/revision-history.ts";
import { writeStatus } from "../lib/status.ts";
import { timeMs } from "../lib/time.ts";
import { daemonFits, nodeOf, templateFor } from "./daemon-nodes.ts";
import { boundsOf, planRollout } from "./rollout.ts";

const FAILED_POD_FIRST_MS = 1000;
const FAILED_POD_LAST_MS = 900_000;

/** One pod of the DaemonSet on every node that it fits. */
export class DaemonSetController extends Controller {
    readonly #pods: PodControl;
    readonly #history: RevisionHistory;
    /** Failed pods are replaced at growing intervals: by DaemonSet uid and node. */
    readonly #failures = new Map<string, { count: number; untilMs: number }>();

    constructor(caches: Caches, ports: ControlPorts) {
        super("daemonset-controller", caches, ports);
        this.#pods = new PodControl(Kinds.daemonSet, caches, this.ports, this.events);
        this.#history = new RevisionHistory(Kinds.daemonSet, caches, this.ports);
    }

    protected watch(): void {
        this.follow(this.caches.daemonSets, (daemonSet, _, gone) => {
            if (gone) this.#pods.expected.forget(keyOf(daemonSet));
            else this.queue.add(keyOf(daemonSet));
        });
        this.follow(this.caches.controllerRevisions, (revision) => {
            const owner = controllerOf(revision);
            if (owner?.kind === "DaemonSet") this.queue.add(`${revision.metadata.namespace}/${owner.name}`);
        });
        this.follow(this.caches.pods, (pod, previous, gone) => {
            for (const version of previous === undefined ? [pod] : [pod, previous]) {
                const owner = controllerOf(version);
                if (owner?.kind !== "DaemonSet") continue;
                const key = `${pod.metadata.namespace}/${owner.name}`;
                if (gone) this.#pods.expected.gone(key, pod);
                else this.#pods.expected.seen(key, pod);
                this.queue.addAfter(key, GATHER_MS);
            }
        });
        this.follow(this.caches.nodes, (node, previous, gone) => {
            const same = [node.metadata.labels, node.spec?.taints, node.spec?.unschedulable];
            const before = [previous?.metadata.labels, previous?.spec?.taints, previous?.spec?.unschedulable];
            if (!gone && previous !== undefined && isDeepStrictEqual(same, before)) return;
            for (const daemonSet of this.caches.daemonSets.list()) this.queue.add(keyOf(daemonSet));
        });
        this.follow(this.caches.runtimeClasses, ({ metadata: { name } }) => {
            for (const daemonSet of this.caches.daemonSets.list())
                if (daemonSet.spec.template.spec.runtimeClassName === name) this.queue.add(keyOf(daemonSet));
        });
    }

    protected async reconcile(key: string): Promise<void> {
        const { namespace, name } = splitKey(key);
        const daemonSet = this.caches.daemonSets.get(namespace, name);
        if (daemonSet === undefined || daemonSet.metadata.deletionTimestamp !== undefined) return;
        const history = await this.#history.construct(daemonSet);
        if (history === undefined) return;
        const hash = history.current.metadata.labels?.[CONTROLLER_REVISION_HASH] ?? "";
        // Asked before the cache is read: what arrives in between must not make an old picture look complete.
        const pendingMs = this.#pods.expected.pendingMs(key);
        const pods = await claim({
            cluster: this.ports.cluster,
            ownerType: Kinds.daemonSet,
            owner: daemonSet,
            type: Kinds.pod,
            selects: labelSelectorMatcher(daemonSet.spec.selector),
            candidates: this.caches.pods.byIndex("namespace", namespace ?? ""),
        });
        const byNode = groupByNode(pods);
        let failure: unknown;
        if (pendingMs !== undefined) this.queue.addAfter(key, pendingMs);
        else {
            failure = await this.#manage(daemonSet, byNode, hash).then(
                () => undefined,
                (thrown: unknown) => thrown,
            );
        }
        await this.#writeStatus(daemonSet, byNode, hash);
        if (failure !== undefined) throw failure;
        const live = new Set(pods.map(({ metadata }) => metadata.labels?.[CONTROLLER_REVISION_HASH] ?? ""));
        await this.#history.forgetOld(daemonSet, history.old, live);
    }

    async #manage(daemonSet: DaemonSet, byNode: ReadonlyMap<string, readonly Pod[]>, hash: string): Promise<void> {
        const missing: string[] = [];
        const surplus: Pod[] = [];
        const known = new Set(this.caches.nodes.list().map(({ metadata }) => metadata.name));
        for (const node of this.caches.nodes.list()) {
            const pods = (byNode.get(node.metadata.name) ?? []).filter((pod) => !isTerminating(pod));
            const { run, stay } = this.#fits(daemonSet, node);
            if (!stay) {
                surplus.push(...pods);
                continue;
            }
            const failed = pods.filter(({ status }) => status?.phase === "Failed" || status?.phase === "Succeeded");
            const alive = pods.filter((pod) => !failed.includes(pod)).sort(oldestFirst);
            surplus.push(...failed.filter((pod) => this.#mayReplace(daemonSet, pod)));
            surplus.push(...superfluous(daemonSet, alive, hash));
            const leaving = (byNode.get(node.metadata.name) ?? []).some(isTerminating);
            if (run && alive.length === 0 && failed.length === 0 && !leaving) missing.push(node.metadata.name);
        }
        for (const [nodeName, pods] of byNode) {
            // Pods of nodes that are gone: those never bound would wait for ever; bound ones are the pod collector's.
            if (!known.has(nodeName)) surplus.push(...pods.filter((pod) => !isTerminating(pod) && !pod.spec.nodeName));
        }
        for (const pod of surplus) await this.#pods.delete(daemonSet, pod);
        await this.#create(daemonSet, missing, hash);
        if (daemonSet.spec.updateStrategy?.type === "OnDelete" || surplus.length + missing.length > 0) return;
        await this.#roll(daemonSet, byNode, hash);
    }

    async #roll(daemonSet: DaemonSet, byNode: ReadonlyMap<string, readonly Pod[]>, hash: string): Promise<void> {
        const nodes = this.#wishedNodes(daemonSet);
        const isAvailable = (pod: Pod): boolean =>
            availableInMs(pod, daemonSet.spec.minReadySeconds ?? 0, this.nowMs) === 0;
        const plan = planRollout({ daemonSet, nodes, byNode, hash, isAvailable });
        for (const pod of plan.remove) await this.#pods.delete(daemonSet, pod);
        await this.#create(daemonSet, plan.add, hash);
    }

    #create(daemonSet: DaemonSet, nodeNames: readonly string[], hash: string): Promise<void> {
        const labels: Record<string, string> = { [CONTROLLER_REVISION_HASH]: hash };
        const generation = daemonSet.metadata.annotations?.["deprecated.daemonset.template.generation"];
        if (generation !== undefined) labels["pod-template-generation"] = generation;
        const templates = nodeNames.map((nodeName) => templateFor(daemonSet.spec.template, nodeName, labels));
        return this.#pods.createAll(daemonSet, templates);
    }

    /** A daemon pod that failed is replaced, the first time at once, then after 1 s doubling to 15 minutes. */
    #mayReplace(daemonSet: DaemonSet, pod: Pod): boolean {
        const key = `${daemonSet.metadata.uid}/${nodeOf(pod)}`;
        const nowMs = this.ports.clock.monotonicMs();
        const known = this.#failures.get(key);
        if (known !== undefined && nowMs < known.untilMs) {
            this.queue.addAfter(keyOf(daemonSet), known.untilMs - nowMs);
            return false;
        }
        const fresh = known === undefined || nowMs > known.untilMs + FAILED_POD_LAST_MS;
        const count = fresh ? 1 : known.count + 1;
        const waitMs = Math.min(FAILED_POD_LAST_MS, FAILED_POD_FIRST_MS * 2 ** (count - 1));
        this.#failures.set(key, { count, untilMs: nowMs + waitMs });
        const told = `Found failed daemon pod ${keyOf(pod)} on node ${nodeOf(pod)}, will try to kill it`;
        this.warning(daemonSet, "FailedDaemonPod", told);
        return true;
    }

    #fits(daemonSet: DaemonSet, node: Node): ReturnType<typeof daemonFits> {
        const { runtimeClassName } = daemonSet.spec.template.spec;
        return daemonFits(daemonSet, node, this.caches.runtimeClass(runtimeClassName));
    }

    #wishedNodes(daemonSet: DaemonSet): string[] {
        const nodes = this.caches.nodes.list().filter((node) => this.#fits(daemonSet, node).run);
        return nodes.map(({ metadata }) => metadata.name).sort();
    }

    async #writeStatus(daemonSet: DaemonSet, byNode: ReadonlyMap<string, readonly Pod[]>, hash: string): Promise<void> {
        const minReadySeconds = daemonSet.spec.minReadySeconds ?? 0;
        const counts = { desired: 0, current: 0, misplaced: 0, ready: 0, available: 0, updated: 0 };
        for (const node of this.caches.nodes.list()) {
            const [pod] = [...(byNode.get(node.metadata.name) ?? [])].filter(isPlaced).sort(oldestFirst);
            if (!this.#fits(daemonSet, node).run) {
                if (pod !== undefined) counts.misplaced += 1;
                continue;
            }
            counts.desired += 1;
            if (pod === undefined) continue;
            counts.current += 1;
            const placed = (byNode.get(node.metadata.name) ?? []).filter(isPlaced);
            const updated = placed.some(({ metadata }) => metadata.labels?.[CONTROLLER_REVISION_HASH] === hash);
            if (updated) counts.updated += 1;
            if (placed.some(isReady)) counts.ready += 1;
            const waits = placed.map((one) => availableInMs(one, minReadySeconds, this.nowMs));
            if (waits.includes(0)) counts.available += 1;
            const laterMs = Math.min(...waits.filter((waitMs) => waitMs !== undefined && waitMs > 0).map(Number));
            if (Number.isFinite(laterMs)) this.queue.addAfter(keyOf(daemonSet), laterMs);
        }
        await writeStatus(this.ports.cluster, Kinds.daemonSet, daemonSet, {
            currentNumberScheduled: counts.current,
            numberMisscheduled: counts.misplaced,
            desiredNumberScheduled: counts.desired,
            numberReady: counts.ready,
            observedGeneration: daemonSet.metadata.generation,
            updatedNumberScheduled: counts.updated || undefined,
            numberAvailable: counts.available || undefined,
            numberUnavailable: counts.desired - counts.available || undefined,
        });
    }
}

const oldestFirst = (one: Pod, other: Pod): number =>
    Number(Boolean(other.spec.nodeName)) - Number(Boolean(one.spec.nodeName)) ||
    (timeMs(one.metadata.creationTimestamp) ?? 0) - (timeMs(other.metadata.creationTimestamp) ?? 0) ||
    (one.metadata.name < other.metadata.name ? -1 : 1);

const isPlaced = (pod: Pod): boolean => !isTerminating(pod);

/** Beyond one pod a node; with a surge an old and a new one may stand side by side. */
function superfluous(daemonSet: DaemonSet, alive: readonly Pod[], hash: string): readonly Pod[] {
    if (boundsOf(daemonSet, 1).maxSurge === 0) return alive.slice(1);
    const isNew = (pod: Pod): boolean => pod.metadata.labels?.[CONTROLLER_REVISION_HASH] === hash;
    return [...alive.filter(isNew).slice(1), ...alive.filter((pod) => !isNew(pod)).slice(1)];
}

function groupByNode(pods: readonly Pod[]): Map<string, Pod[]> {
    const groups = new Map<string, Pod[]>();
    for (const pod of pods) {
        const node = nodeOf(pod);
        if (node === undefined) continue;
        const group = groups.get(node);
        if (group === undefined) groups.set(node, [pod]);
        else group.push(pod);
    }
    return groups;
}
