// SPDX-License-Identifier: Apache-2.0
import { isDeepStrictEqual } from "node:util";
import { isAlreadyExists, isNotFound } from "../../../../kube/client/status-error.ts";
import { labelSelectorMatcher } from "../../../../kube/selectors/labels.ts";
import { Kinds } from "../../../../kube/types.ts";
import { ControllerKinds } from "../../objects/types.ts";
import type { ControllerRevision, DaemonSet } from "../../objects/workloads.ts";
import type { Caches, ControlPorts } from "../lib/caches.ts";
import { CONTROLLER_REVISION_HASH, hashOf } from "../lib/hash.ts";
import { claim, controllerOf, controllerReference } from "../lib/owners.ts";

export interface History {
    readonly current: ControllerRevision;
    readonly old: readonly ControllerRevision[];
}

/** The templates a DaemonSet has had, as ControllerRevisions; what `kubectl rollout history` and `undo` read. */
export class DaemonHistory {
    readonly #caches: Caches;
    readonly #ports: ControlPorts;

    constructor(caches: Caches, ports: ControlPorts) {
        this.#caches = caches;
        this.#ports = ports;
    }

    /** The revision of the present template, made or renumbered when needed; undefined: look again later. */
    async construct(daemonSet: DaemonSet): Promise<History | undefined> {
        const owned = await claim({
            cluster: this.#ports.cluster,
            ownerType: Kinds.daemonSet,
            owner: daemonSet,
            type: ControllerKinds.controllerRevision,
            selects: labelSelectorMatcher(daemonSet.spec.selector),
            candidates: this.#caches.controllerRevisions.byIndex("namespace", daemonSet.metadata.namespace ?? ""),
        });
        const data = dataOf(daemonSet);
        const same = owned.filter((revision) => isDeepStrictEqual(revision.data, data));
        const [current] = same.sort((one, other) => other.revision - one.revision);
        const newest = Math.max(0, ...owned.map(({ revision }) => revision));
        if (current === undefined) return this.#create(daemonSet, owned, newest + 1);
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
    async forgetOld(
        daemonSet: DaemonSet,
        old: readonly ControllerRevision[],
        live: ReadonlySet<string>,
    ): Promise<void> {
        const unused = old.filter(({ metadata }) => !live.has(metadata.labels?.[CONTROLLER_REVISION_HASH] ?? ""));
        const surplus = unused.length - (daemonSet.spec.revisionHistoryLimit ?? 10);
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

    async #create(
        daemonSet: DaemonSet,
        old: readonly ControllerRevision[],
        revision: number,
    ): Promise<History | undefined> {
        const { cluster } = this.#ports;
        const data = dataOf(daemonSet);
        const hash = hashOf(data, daemonSet.status?.collisionCount ?? 0);
        const namespace = daemonSet.metadata.namespace ?? "default";
        const name = `${daemonSet.metadata.name}-${hash}`;
        const wanted: ControllerRevision = {
            apiVersion: "apps/v1",
            kind: "ControllerRevision",
            metadata: {
                name,
                namespace,
                labels: { ...daemonSet.spec.template.metadata?.labels, [CONTROLLER_REVISION_HASH]: hash },
                annotations: { ...daemonSet.metadata.annotations },
                ownerReferences: [controllerReference(Kinds.daemonSet, daemonSet)],
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
        const ours = controllerOf(taken)?.uid === daemonSet.metadata.uid && isDeepStrictEqual(taken.data, data);
        if (ours) return { current: taken, old };
        const collisionCount = (daemonSet.status?.collisionCount ?? 0) + 1;
        const status = { ...daemonSet.status, collisionCount };
        await cluster.replace(Kinds.daemonSet, { ...daemonSet, status }, "status");
        return undefined;
    }
}

/** A strategic merge patch that puts the template back; the form kubectl expects. */
function dataOf(daemonSet: DaemonSet): unknown {
    return { spec: { template: { ...daemonSet.spec.template, $patch: "replace" } } };
}
