// SPDX-License-Identifier: Apache-2.0
import { isDeepStrictEqual } from "node:util";
import { cloneJson } from "../../core/clone.ts";
import { isRecord, type JsonRecord } from "../../core/json.ts";
import type { KubeObject } from "../../kube/types.ts";

/** What the API server sets: nobody changes it by writing the object. */
const SYSTEM_METADATA = [
    "resourceVersion",
    "uid",
    "creationTimestamp",
    "generation",
    "managedFields",
    "selfLink",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
];

export interface Merged {
    readonly object: KubeObject;
    /** Fields that both sides changed, each differently: the cluster's value stands. `data.mode`, `spec.tolerations`. */
    readonly conflicts: readonly string[];
    /** False when nothing of the local change is left to be written. */
    readonly differs: boolean;
}

/**
 * Joins a change made here with what the cluster made of the object meanwhile. Field by field: what one side alone
 * changed is taken from it; what both changed differently is the cluster's. Lists count as one field.
 * @param base what the local change was made from; undefined when the object was created here
 * @param remote what the cluster has now
 */
export function mergeChanges(base: KubeObject | undefined, local: KubeObject, remote: KubeObject): Merged {
    const conflicts: string[] = [];
    const wanted = mergeValue(desired(base ?? { metadata: {} }), desired(local), desired(remote), "", conflicts);
    const merged = (isRecord(wanted) ? wanted : {}) as KubeObject;
    const metadata = { ...merged.metadata } as JsonRecord;
    for (const key of SYSTEM_METADATA) {
        if (remote.metadata[key] !== undefined) metadata[key] = remote.metadata[key];
    }
    const status = remote["status"] === undefined ? {} : { status: remote["status"] };
    const object = { ...merged, metadata, ...status } as KubeObject;
    return { object, conflicts, differs: !isDeepStrictEqual(desired(object), desired(remote)) };
}

/** What people may change: without status and what the server sets. */
export function desired(object: { readonly metadata: object; readonly [field: string]: unknown }): JsonRecord {
    const { status: _status, metadata, ...rest } = cloneJson(object) as JsonRecord;
    const kept = Object.entries(isRecord(metadata) ? metadata : {}).filter(([key]) => !SYSTEM_METADATA.includes(key));
    return { ...rest, metadata: Object.fromEntries(kept) };
}

function mergeValue(base: unknown, local: unknown, remote: unknown, path: string, conflicts: string[]): unknown {
    if (isDeepStrictEqual(local, remote) || isDeepStrictEqual(local, base)) return remote;
    if (isDeepStrictEqual(remote, base)) return local;
    if (!isRecord(local) || !isRecord(remote)) {
        conflicts.push(path);
        return remote;
    }
    const before = isRecord(base) ? base : {};
    const keys = new Set([...Object.keys(remote), ...Object.keys(local)]);
    const merged: JsonRecord = {};
    for (const key of keys) {
        const inner = path === "" ? key : `${path}.${key}`;
        const value = mergeValue(before[key], local[key], remote[key], inner, conflicts);
        if (value !== undefined) merged[key] = value;
    }
    return merged;
}
