// SPDX-License-Identifier: Apache-2.0
import { isAlreadyExists, isNotFound, statusMessage } from "../../../../kube/client/status-error.ts";
import { labelSelectorMatcher } from "../../../../kube/selectors/labels.ts";
import { Kinds } from "../../../../kube/types.ts";
import type { Deployment, DeploymentStatus, ReplicaSet } from "../../objects/workloads.ts";
import type { Caches, ControlPorts } from "../lib/caches.ts";
import { Controller, keyOf, splitKey } from "../lib/controller.ts";
import { hashOf, POD_TEMPLATE_HASH, sameTemplate } from "../lib/hash.ts";
import { claim, controllerOf, controllerReference, named } from "../lib/owners.ts";
import { isFinished } from "../lib/pods.ts";
import { writeStatus } from "../lib/status.ts";
import { Conditions, deploymentStatus, isComplete } from "./deployment-status.ts";
import { REVISION, revisionAnnotations, revisionOf, sizeAnnotations, sizedFor, sizedForAtMost } from "./revisions.ts";
import { isRolling, newSize, oldestFirst, proportionalSizes, shrinkOld, size, wished } from "./rollout.ts";

interface Sets {
    readonly current: ReplicaSet | undefined;
    readonly old: readonly ReplicaSet[];
}

/** Rolls a Deployment's template out over ReplicaSets (kubernetes.io, "Deployments"). */
export class DeploymentController extends Controller {
    constructor(caches: Caches, ports: ControlPorts) {
        super("deployment-controller", caches, ports);
    }

    protected watch(): void {
        this.follow(this.caches.deployments, (deployment) => this.queue.add(keyOf(deployment)));
        this.follow(this.caches.replicaSets, (replicaSet, previous) => {
            for (const version of [replicaSet, previous]) {
                const owner = version === undefined ? undefined : controllerOf(version);
                if (owner?.kind === "Deployment") this.queue.add(`${replicaSet.metadata.namespace}/${owner.name}`);
            }
            if (controllerOf(replicaSet) !== undefined) return;
            for (const deployment of this.caches.deployments.list()) {
                if (deployment.metadata.namespace !== replicaSet.metadata.namespace) continue;
                const selects = labelSelectorMatcher(deployment.spec.selector);
                if (selects(replicaSet.metadata.labels)) this.queue.add(keyOf(deployment));
            }
        });
        // "Recreate" waits for old pods to be gone, which changes no ReplicaSet any more.
        this.follow(this.caches.pods, (pod, _, gone) => {
            const owner = controllerOf(pod);
            if (!gone || owner?.kind !== "ReplicaSet") return;
            const replicaSet = this.caches.replicaSets.get(pod.metadata.namespace, owner.name);
            const deployment = replicaSet === undefined ? undefined : controllerOf(replicaSet);
            if (deployment !== undefined) this.queue.add(`${pod.metadata.namespace}/${deployment.name}`);
        });
    }

    protected async reconcile(key: string): Promise<void> {
        const { namespace, name } = splitKey(key);
        const deployment = this.caches.deployments.get(namespace, name);
        if (deployment === undefined) return;
        const owned = await claim({
            cluster: this.ports.cluster,
            ownerType: Kinds.deployment,
            owner: deployment,
            type: Kinds.replicaSet,
            selects: labelSelectorMatcher(deployment.spec.selector),
            candidates: this.caches.replicaSets.byIndex("namespace", namespace ?? ""),
        });
        const sets = split(deployment, owned);
        if (deployment.metadata.deletionTimestamp !== undefined) {
            await this.#writeStatus(deployment, sets);
        } else if (deployment.spec.paused || isResized(deployment, owned)) {
            await this.#resize(deployment, sets);
        } else if (isRolling(deployment)) {
            await this.#roll(deployment, sets);
        } else {
            await this.#recreate(deployment, sets);
        }
    }

    async #roll(deployment: Deployment, sets: Sets): Promise<void> {
        const current = await this.#newest(deployment, sets);
        if (current === undefined) return;
        const all = [...sets.old, current];
        if (size(current) > wished(deployment)) await this.#scale(deployment, current, wished(deployment));
        else if (size(current) < wished(deployment)) {
            await this.#scale(deployment, current, newSize(deployment, all, current));
        }
        for (const { replicaSet, replicas } of shrinkOld(deployment, sets.old, current)) {
            await this.#scale(deployment, replicaSet, replicas);
        }
        await this.#finish(deployment, { ...sets, current });
    }

    async #recreate(deployment: Deployment, sets: Sets): Promise<void> {
        const shrinking = sets.old.filter((replicaSet) => size(replicaSet) > 0);
        for (const replicaSet of shrinking) await this.#scale(deployment, replicaSet, 0);
        const running = sets.old
            .flatMap(({ metadata }) => this.caches.pods.byIndex("controller", metadata.uid ?? ""))
            .some((pod) => !isFinished(pod));
        if (shrinking.length > 0 || running) {
            await this.#writeStatus(deployment, sets);
            return;
        }
        const current = await this.#newest(deployment, sets);
        if (current === undefined) return;
        await this.#scale(deployment, current, wished(deployment));
        await this.#finish(deployment, { ...sets, current });
    }

    /** Paused, or the wish changed in the middle of a rollout. */
    async #resize(deployment: Deployment, sets: Sets): Promise<void> {
        const all = sets.current === undefined ? sets.old : [...sets.old, sets.current];
        const active = all.filter((replicaSet) => size(replicaSet) > 0);
        const [only] = active.length === 0 ? [newestOf(all)] : active;
        if (active.length <= 1) {
            if (only !== undefined) await this.#scale(deployment, only, wished(deployment));
        } else if (sets.current !== undefined && isSaturated(deployment, sets.current)) {
            for (const replicaSet of sets.old) await this.#scale(deployment, replicaSet, 0);
        } else if (isRolling(deployment)) {
            const fallback = deployment.status?.replicas ?? wished(deployment);
            const annotated = (replicaSet: ReplicaSet): number => sizedForAtMost(replicaSet) ?? fallback;
            for (const { replicaSet, replicas } of proportionalSizes(deployment, active, annotated)) {
                await this.#scale(deployment, replicaSet, replicas);
            }
        }
        await this.#finish(deployment, sets);
    }

    async #finish(deployment: Deployment, sets: Sets): Promise<void> {
        const status = await this.#writeStatus(deployment, sets);
        if (isComplete(deployment, { replicas: 0, updatedReplicas: 0, availableReplicas: 0, ...status })) {
            await this.#forgetOld(deployment, sets.old);
        }
    }

    /** The ReplicaSet of the Deployment's template, made when there is none; undefined: look again later. */
    async #newest(deployment: Deployment, sets: Sets): Promise<ReplicaSet | undefined> {
        const revision = Math.max(0, ...sets.old.map(revisionOf)) + 1;
        const { cluster } = this.ports;
        let current = sets.current;
        if (current === undefined) {
            current = await this.#create(deployment, sets, revision);
            if (current === undefined) return undefined;
        } else {
            const known = current.metadata.annotations ?? {};
            const annotations = revisionAnnotations(deployment, known, revision);
            const minReadySeconds = deployment.spec.minReadySeconds ?? 0;
            const stale = Object.entries(annotations).some(([name, value]) => known[name] !== value);
            if (stale || (current.spec.minReadySeconds ?? 0) !== minReadySeconds) {
                current = (await cluster.replace(Kinds.replicaSet, {
                    ...current,
                    metadata: { ...current.metadata, annotations },
                    spec: { ...current.spec, minReadySeconds },
                })) as ReplicaSet;
            }
        }
        const shown = String(revisionOf(current));
        if (deployment.metadata.annotations?.[REVISION] !== shown) {
            const patch = { metadata: { annotations: { [REVISION]: shown } } };
            await cluster.patch({ type: Kinds.deployment, ...named(deployment) }, patch, "merge");
        }
        return current;
    }

    async #create(deployment: Deployment, sets: Sets, revision: number): Promise<ReplicaSet | undefined> {
        const { template } = deployment.spec;
        const hash = hashOf(template, deployment.status?.collisionCount ?? 0);
        const labels = { ...template.metadata?.labels, [POD_TEMPLATE_HASH]: hash };
        const selector = (deployment.spec.selector ?? {}) as { matchLabels?: Record<string, string> };
        const replicas = newSize(deployment, sets.old, undefined);
        const replicaSet: ReplicaSet = {
            apiVersion: "apps/v1",
            kind: "ReplicaSet",
            metadata: {
                name: `${deployment.metadata.name}-${hash}`,
                namespace: deployment.metadata.namespace ?? "default",
                labels,
                annotations: { ...revisionAnnotations(deployment, {}, revision), ...sizeAnnotations(deployment) },
                ownerReferences: [controllerReference(Kinds.deployment, deployment)],
            },
            spec: {
                replicas,
                minReadySeconds: deployment.spec.minReadySeconds ?? 0,
                selector: { ...selector, matchLabels: { ...selector.matchLabels, [POD_TEMPLATE_HASH]: hash } },
                template: { ...template, metadata: { ...template.metadata, labels } },
            },
        };
        try {
            const created = (await this.ports.cluster.create(Kinds.replicaSet, replicaSet)) as ReplicaSet;
            if (replicas > 0) this.#told(deployment, created, 0, replicas);
            await this.#note(
                deployment,
                "True",
                "NewReplicaSetCreated",
                `Created new replica set "${created.metadata.name}"`,
            );
            return created;
        } catch (failure) {
            if (!isAlreadyExists(failure)) {
                const message = `Failed to create new replica set "${replicaSet.metadata.name}": ${statusMessage(failure)}`;
                this.warning(deployment, "ReplicaSetCreateError", message);
                await this.#note(deployment, "False", "ReplicaSetCreateError", message);
                throw failure;
            }
            return this.#collided(deployment, replicaSet);
        }
    }

    /** The name is taken: by this very ReplicaSet, which the cache does not show yet, or by one of another template. */
    async #collided(deployment: Deployment, wanted: ReplicaSet): Promise<ReplicaSet | undefined> {
        const taken = (await this.ports.cluster.get({ type: Kinds.replicaSet, ...named(wanted) })) as ReplicaSet;
        const ours = controllerOf(taken)?.uid === deployment.metadata.uid;
        if (ours && sameTemplate(taken.spec.template, deployment.spec.template)) return taken;
        const collisionCount = (deployment.status?.collisionCount ?? 0) + 1;
        await writeStatus(this.ports.cluster, Kinds.deployment, deployment, { collisionCount });
        return undefined;
    }

    async #scale(deployment: Deployment, replicaSet: ReplicaSet, replicas: number): Promise<void> {
        const sized = sizeAnnotations(deployment);
        const known = replicaSet.metadata.annotations ?? {};
        const from = size(replicaSet);
        if (from === replicas && Object.entries(sized).every(([name, value]) => known[name] === value)) return;
        const metadata = { ...replicaSet.metadata, annotations: { ...known, ...sized } };
        const written = { ...replicaSet, metadata, spec: { ...replicaSet.spec, replicas } };
        await this.ports.cluster.replace(Kinds.replicaSet, written);
        if (from !== replicas) this.#told(deployment, replicaSet, from, replicas);
    }

    #told(deployment: Deployment, replicaSet: ReplicaSet, from: number, to: number): void {
        const direction = to > from ? "up" : "down";
        const message = `Scaled ${direction} replica set ${replicaSet.metadata.name} from ${from} to ${to}`;
        this.normal(deployment, "ScalingReplicaSet", message);
    }

    async #note(deployment: Deployment, status: string, reason: string, message: string): Promise<void> {
        const conditions = new Conditions(deployment.status?.conditions ?? [], this.nowMs);
        conditions.renew("Progressing", status, reason, message);
        const path = { type: Kinds.deployment, ...named(deployment) };
        const patch = { status: { conditions: conditions.list } };
        await this.ports.cluster.patch(path, patch, "merge", { subresource: "status" });
    }

    async #writeStatus(deployment: Deployment, sets: Sets): Promise<DeploymentStatus> {
        const { status, retryMs } = deploymentStatus({ deployment, ...sets }, this.nowMs);
        await writeStatus(this.ports.cluster, Kinds.deployment, deployment, status);
        if (retryMs !== undefined) this.queue.addAfter(keyOf(deployment), retryMs);
        return status;
    }

    /** Deletes the oldest revisions beyond `revisionHistoryLimit`. */
    async #forgetOld(deployment: Deployment, old: readonly ReplicaSet[]): Promise<void> {
        const empty = old.filter(
            ({ metadata, spec, status }) =>
                spec.replicas === 0 && !status?.replicas && metadata.deletionTimestamp === undefined,
        );
        const surplus = empty.length - (deployment.spec.revisionHistoryLimit ?? 10);
        if (surplus <= 0) return;
        const byRevision = [...empty].sort(
            (one, other) => revisionOf(one) - revisionOf(other) || oldestFirst(one, other),
        );
        for (const { metadata } of byRevision.slice(0, surplus)) {
            try {
                const { namespace, name, uid } = metadata;
                await this.ports.cluster.delete({ type: Kinds.replicaSet, namespace, name }, { uid });
            } catch (failure) {
                if (!isNotFound(failure)) throw failure;
            }
        }
    }
}

function split(deployment: Deployment, owned: readonly ReplicaSet[]): Sets {
    const matching = owned.filter(({ spec }) => sameTemplate(spec.template, deployment.spec.template));
    const [current] = matching.sort(oldestFirst);
    return { current, old: owned.filter((replicaSet) => replicaSet !== current) };
}

/** The wish changed since the ReplicaSets were sized. */
function isResized(deployment: Deployment, owned: readonly ReplicaSet[]): boolean {
    return owned.some((replicaSet) => {
        const annotated = sizedFor(replicaSet);
        return size(replicaSet) > 0 && annotated !== undefined && annotated !== wished(deployment);
    });
}

function isSaturated(deployment: Deployment, current: ReplicaSet): boolean {
    const want = wished(deployment);
    return size(current) === want && (current.status?.availableReplicas ?? 0) === want && sizedFor(current) === want;
}

function newestOf(replicaSets: readonly ReplicaSet[]): ReplicaSet | undefined {
    return [...replicaSets].sort(oldestFirst).at(-1);
}
