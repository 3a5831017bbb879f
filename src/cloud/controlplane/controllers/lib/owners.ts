// SPDX-License-Identifier: Apache-2.0
import type { KubeClient } from "../../../../kube/client/client.ts";
import { isNotFound } from "../../../../kube/client/status-error.ts";
import type { LabelMatcher } from "../../../../kube/selectors/labels.ts";
import { apiVersionOf, type KubeObject, type OwnerReference, type ResourceType } from "../../../../kube/types.ts";

/** The reference that names the controller of an object. */
export function controllerOf(object: KubeObject): OwnerReference | undefined {
    return object.metadata.ownerReferences?.find(({ controller }) => controller === true);
}

export function controllerReference(type: ResourceType, owner: KubeObject): OwnerReference {
    return {
        apiVersion: apiVersionOf(type),
        kind: type.kind,
        name: owner.metadata.name,
        uid: owner.metadata.uid ?? "",
        controller: true,
        blockOwnerDeletion: true,
    };
}

export interface Claim<T extends KubeObject> {
    readonly cluster: KubeClient;
    readonly ownerType: ResourceType;
    readonly owner: KubeObject;
    readonly type: ResourceType;
    readonly selects: LabelMatcher;
    /** Every object of the owner's namespace that may be its own. */
    readonly candidates: readonly T[];
}

/**
 * The objects that belong to a controller: those it owns and still selects. Adopts what it selects and nobody owns,
 * lets go of what it owns and no longer selects (kubernetes/design-proposals controller-ref).
 */
export async function claim<T extends KubeObject>(claim: Claim<T>): Promise<T[]> {
    const { owner, selects, candidates } = claim;
    const owned: T[] = [];
    for (const object of candidates) {
        const controller = controllerOf(object);
        const wanted = selects(object.metadata.labels);
        if (controller?.uid === owner.metadata.uid) {
            if (wanted) owned.push(object);
            else if (owner.metadata.deletionTimestamp === undefined) await release(claim, object);
        } else if (controller === undefined && wanted && bothAlive(owner, object)) {
            const adopted = await adopt(claim, object);
            if (adopted !== undefined) owned.push(adopted);
        }
    }
    return owned;
}

function bothAlive(owner: KubeObject, object: KubeObject): boolean {
    return owner.metadata.deletionTimestamp === undefined && object.metadata.deletionTimestamp === undefined;
}

async function adopt<T extends KubeObject>(claim: Claim<T>, object: T): Promise<T | undefined> {
    const { cluster, ownerType, owner, type } = claim;
    const fresh = await cluster.get({ type: ownerType, ...named(owner) });
    // A cached owner may be gone, or gone and made anew: then it must not take anything.
    if (fresh.metadata.uid !== owner.metadata.uid || fresh.metadata.deletionTimestamp !== undefined) return undefined;
    const ownerReferences = [...(object.metadata.ownerReferences ?? []), controllerReference(ownerType, owner)];
    const patch = { metadata: { uid: object.metadata.uid, ownerReferences } };
    return (await cluster.patch({ type, ...named(object) }, patch, "merge")) as T;
}

async function release<T extends KubeObject>({ cluster, owner, type }: Claim<T>, object: T): Promise<void> {
    const kept = (object.metadata.ownerReferences ?? []).filter(({ uid }) => uid !== owner.metadata.uid);
    const patch = { metadata: { uid: object.metadata.uid, ownerReferences: kept.length > 0 ? kept : null } };
    try {
        await cluster.patch({ type, ...named(object) }, patch, "merge");
    } catch (failure) {
        if (!isNotFound(failure)) throw failure;
    }
}

export function named(object: KubeObject): { namespace: string | undefined; name: string } {
    return { namespace: object.metadata.namespace, name: object.metadata.name };
}
