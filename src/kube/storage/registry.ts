// SPDX-License-Identifier: Apache-2.0
import type { KubeObject, ResourceType } from "../types.ts";
import type { Change, Stored } from "./stored.ts";

/** What names a collection, whichever version of its group a client speaks. */
export type Collection = Pick<ResourceType, "group" | "plural">;

export interface ObjectKey extends Collection {
    /** "" for cluster-scoped objects. */
    readonly namespace: string;
    readonly name: string;
}

export interface Snapshot {
    /** In order of namespace, then name. */
    readonly items: readonly Stored[];
    readonly revision: number;
}

export interface WatchStart {
    /** Changes after this revision are told first, in order. */
    readonly since: number;
    readonly onChange: (change: Change) => void;
    /** The history the watcher would need is gone or the backing ends: list again. */
    readonly onEnd: (gone: boolean) => void;
}

/** Where objects are read from: the embedded store, or what an edge node has cached. */
export interface ObjectReader {
    /** Of the newest committed change. */
    readonly revision: number;
    get(key: ObjectKey): Promise<Stored | undefined>;
    /** `namespace` undefined: all. */
    list(collection: Collection, namespace: string | undefined): Promise<Snapshot>;
    /**
     * Follows one collection (all namespaces: the caller filters). Returns the function that stops.
     * @throws 410 Expired when `since` is older than the kept history
     */
    watch(collection: Collection, start: WatchStart): () => void;
}

export interface Commit {
    readonly key: ObjectKey;
    /** The new state; undefined deletes. metadata.resourceVersion is filled in by the registry. */
    readonly next: KubeObject | undefined;
    /** The version this change was made from; undefined: the object must not exist. */
    readonly base: Stored | undefined;
    /** The user who asked for it, for registries that pass it on. */
    readonly by?: string;
}

/** Where objects are read from and written to. */
export interface ObjectRegistry extends ObjectReader {
    /**
     * Makes one change durable, then visible to readers and watchers, and answers it (for a delete: the last state).
     * @throws CommitConflict when `base` is not the current version any more
     */
    commit(change: Commit): Promise<Stored>;
}

/** Somebody else changed the object between reading and committing. */
export class CommitConflict extends Error {
    override readonly name = "CommitConflict";
    /** What is there now. */
    readonly current: Stored | undefined;

    constructor(current: Stored | undefined) {
        super("the object was changed meanwhile");
        this.current = current;
    }
}
