// SPDX-License-Identifier: Apache-2.0
import type { KubeObject } from "../types.ts";

/** What an informer tells. After (re)listing, changes missed meanwhile are told as ordinary events; none is told twice. */
export type InformerEvents<T extends KubeObject> = {
    add: [object: T];
    update: [object: T, previous: T];
    delete: [object: T];
    /** The first list is complete and its adds have been told. */
    synced: [];
    /** List or watch failed; it goes on trying with jittered back-off. */
    trouble: [error: Error];
};

/** A read-only, always current copy of a list of objects. Objects in it are shared: never change one. */
export interface ObjectCache<T extends KubeObject> {
    get(namespace: string | undefined, name: string): T | undefined;
    list(): readonly T[];
    readonly synced: boolean;
}
