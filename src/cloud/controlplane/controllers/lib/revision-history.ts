// SPDX-License-Identifier: Apache-2.0
import { isDeepStrictEqual } from "node:util";
import { isAlreadyExists, isNotFound } from "../../../../kube/client/status-error.ts";
import { labelSelectorMatcher } from "../../../../kube/selectors/labels.ts";
import type { KubeObject, ResourceType } from "../../../../kube/types.ts";
import type { PodTemplate } from "../../objects/pod.ts";
import { ControllerKinds } from "../../objects/types.ts";
import type { ControllerRevision } from "../../objects/workloads.ts";
import type { Caches, ControlPorts } from "./caches.ts";
import { CONTROLLER_REVISION_HASH, hashOf } from "./hash.ts";
import { claim, controllerOf, controllerReference } from "./owners.ts";

export interface History {
    readonly current: ControllerRevision;
    readonly old: readonly ControllerRevision[];
}

/** A DaemonSet or a StatefulSet. */
export interface Revised extends KubeObject {
    spec: { selector: unknown; template: PodTemplate; revisionHistoryLimit?: number; [field: string]: unknown };
    status?: { collisionCount?: number; [field: string]: unknown };
}

/** The templates a set has had, as ControllerRevisions; what `kubectl rollout history` and `undo` read. */
export class RevisionHistory {
    readonly #ownerType: ResourceType;
    readonly #caches: Caches;
    readonly #ports: ControlPorts;

    constructor(ownerType: ResourceType, caches: Caches, ports: ControlPorts) {
        this.#ownerType = ownerType;
        this.#caches = caches;
        this.#ports = ports;
    }

    /** The revision of the present template, made or renumbered when needed; undefined: look again later. */
    async construct(set: Revised): Promise<History | undefined> {
        const owned = await claim({
            cluster: this.#ports.cluster,
            ownerType: this.#ownerType,
            owner: set,
            type: ControllerKinds.controllerRevision,
            selects: labelSelectorMatcher(set.spec.selector),
            candidates: this.#caches.controllerRevisions.byIndex("namespace", set.metadata.namespace ?? ""),
        });
        const data = dataOf(set);
        const same = owned.filter((revision) => isDeepStrictEqual(revision.data, data));
        const [current] = same.sort((one, other) => other.revision - one.revision);
        const newest = Math.max(0, ...owned.map(({ revision }) => revision));
        if (current === undefined) return this.#create(set, owned, newest + 1);
        const old = owned.filter((revision) => revision !== current);
        if (current.revision >= newest) return { current, old };
        // An undo: the old template is the newest again.
        const raised = await this.#ports.cluster.replace(ControllerKinds.controllerRevision, {
            ...current,
            revision: newest + 1,
        });
        return { current: raised as ControllerRevision, old };
    }

    /** Deletes the oldest revisions beyond `revisionHistoryLimit` that no pod has. */
    async forgetOld(set: Revised, old: readonly ControllerRevision[], live: ReadonlySet<string>): Promise<void> {
        // Daemon pods carry the hash of their revision, those of a StatefulSet its name.
        const unused = old.filter(
            ({ metadata }) => !live.has(metadata.labels?.[CONTROLLER_REVISION_HASH] ?? "") && !live.has(metadata.name),
        );
        const surplus = unused.length - (set.spec.revisionHistoryLimit ?? 10);
        const oldestFirst = unused.sort((one, other) => one.revision - other.revision);
        for (const { metadata } of oldestFirst.slice(0, Math.max(0, surplus))) {
            try {
                const { namespace, name, uid } = metadata;
                await this.#ports.cluster.delete(
                    { type: ControllerKinds.controllerRevision, namespace, name },
                    { uid },
                );
            } catch (failure) {
                if (!isNotFound(failure)) throw failure;
            }
        }
    }

    async #create(set: Revised, old: readonly ControllerRevision[], revision: number): Promise<History | undefined> {
        const { cluster } = this.#ports;
        const data = dataOf(set);
        const hash = hashOf(data, set.status?.collisionCount ?? 0);
        const namespace = set.metadata.namespace ?? "default";
        const name = `${set.metadata.name}-${hash}`;
        const wanted: ControllerRevision = {
            apiVersion: "apps/v1",
            kind: "ControllerRevision",
            metadata: {
                name,
                namespace,
                labels: { ...set.spec.template.metadata?.labels, [CONTROLLER_REVISION_HASH]: hash },
                annotations: { ...set.metadata.annotations },
                ownerReferences: [controllerReference(this.#ownerType, set)],
            },
            data,
            revision,
        };
        try {
            const current = (await cluster.create(ControllerKinds.controllerRevision, wanted)) as ControllerRevision;
            return { current, old };
        } catch (failure) {
            if (!isAlreadyExists(failure)) throw failure;
        }
        const reference = { type: ControllerKinds.controllerRevision, namespace, name };
        const taken = (await cluster.get(reference)) as ControllerRevision;
        const ours = controllerOf(taken)?.uid === set.metadata.uid && isDeepStrictEqual(taken.data, data);
        if (ours) return { current: taken, old };
        const collisionCount = (set.status?.collisionCount ?? 0) + 1;
        const status = { ...set.status, collisionCount };
        await cluster.replace(this.#ownerType, { ...set, status }, "status");
        return undefined;
    }
}

/** A strategic merge patch that puts the template back; the form kubectl expects. */
function dataOf(set: Revised): unknown {
    return { spec: { template: { ...set.spec.template, $patch: "replace" } } };
}
