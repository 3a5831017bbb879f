// SPDX-License-Identifier: Apache-2.0
import type { DocumentStore, StoreOp } from "../../store/store.ts";
import type { KubeObject } from "../types.ts";
import { EventWindow } from "./event-window.ts";
import {
    type Collection,
    type Commit,
    CommitConflict,
    type ObjectKey,
    type ObjectRegistry,
    type Snapshot,
    type WatchStart,
} from "./registry.ts";
import { type Change, Stored } from "./stored.ts";

const OBJECTS = "objects/";
const REVISION_KEY = "revision";
const FIRST_REVISION = 1;
/** Most changes in one write of the store: bounds the time a change waits for those before it. */
const MAX_BATCH = 256;
const SCAN_PAGE = 1000;

interface Pending {
    readonly change: Commit;
    readonly resolve: (stored: Stored) => void;
    readonly reject: (error: unknown) => void;
}

interface Bucket {
    /** By "namespace/name". */
    readonly objects: Map<string, Stored>;
    readonly window: EventWindow;
    /** `objects` in key order; undefined after an insertion or a removal. */
    sorted: readonly string[] | undefined;
}

/**
 * Objects kept in a DocumentStore, served from memory. Changes that arrive while a write is under way go to disk
 * together in the next one; a change is visible only once it is durable.
 */
export class DocumentRegistry implements ObjectRegistry {
    readonly #store: DocumentStore;
    readonly #historyLimit: number;
    readonly #buckets = new Map<string, Bucket>();
    #revision = FIRST_REVISION;
    /** History begins here: what happened before the start is not known any more. */
    #floor = FIRST_REVISION;
    #queue: Pending[] = [];
    #writing: Promise<void> | undefined;

    constructor(store: DocumentStore, { historyLimit = 4096 }: { readonly historyLimit?: number } = {}) {
        this.#store = store;
        this.#historyLimit = historyLimit;
    }

    get revision(): number {
        return this.#revision;
    }

    /** Reads everything into memory. Call once, before anything else. */
    async load(): Promise<void> {
        this.#revision = (await this.#store.get<number>(REVISION_KEY)) ?? FIRST_REVISION;
        this.#floor = this.#revision;
        let after: string | undefined;
        for (;;) {
            const options = after === undefined ? { limit: SCAN_PAGE } : { limit: SCAN_PAGE, after };
            const entries = await this.#store.scan<KubeObject>(OBJECTS, options);
            for (const { key, value } of entries) this.#adopt(key, value);
            if (entries.length < SCAN_PAGE) return;
            after = entries.at(-1)?.key;
        }
    }

    /** Waits for what was accepted, and ends every watch. */
    async stop(): Promise<void> {
        await this.#writing;
        for (const { window } of this.#buckets.values()) window.end(false);
    }

    async get(key: ObjectKey): Promise<Stored | undefined> {
        return this.#buckets.get(bucketName(key))?.objects.get(rowName(key));
    }

    async list(collection: Collection, namespace: string | undefined): Promise<Snapshot> {
        const bucket = this.#bucket(collection);
        bucket.sorted ??= [...bucket.objects.keys()].sort();
        const items: Stored[] = [];
        const prefix = namespace === undefined ? "" : `${namespace}/`;
        for (const row of bucket.sorted) {
            const stored = row.startsWith(prefix) ? bucket.objects.get(row) : undefined;
            if (stored !== undefined) items.push(stored);
        }
        return { items, revision: this.#revision };
    }

    watch(collection: Collection, start: WatchStart): () => void {
        return this.#bucket(collection).window.watch(start);
    }

    commit(change: Commit): Promise<Stored> {
        return new Promise((resolve, reject) => {
            this.#queue.push({ change, resolve, reject });
            this.#writing ??= this.#drain();
        });
    }

    async #drain(): Promise<void> {
        // Lets every request of this turn of the event loop join the first batch.
        await Promise.resolve();
        while (this.#queue.length > 0) await this.#writeBatch(this.#takeBatch());
        this.#writing = undefined;
    }

    /** One change per object in a batch: a second one waits, so that its base is checked against the first. */
    #takeBatch(): Pending[] {
        const batch: Pending[] = [];
        const left: Pending[] = [];
        const taken = new Set<string>();
        for (const pending of this.#queue) {
            const id = storeKey(pending.change.key);
            if (batch.length >= MAX_BATCH || taken.has(id)) left.push(pending);
            else {
                taken.add(id);
                batch.push(pending);
            }
        }
        this.#queue = left;
        return batch;
    }

    async #writeBatch(batch: readonly Pending[]): Promise<void> {
        let revision = this.#revision;
        const ops: StoreOp[] = [];
        const ready: { pending: Pending; stored: Stored }[] = [];
        for (const pending of batch) {
            const { key, next, base } = pending.change;
            const current = this.#buckets.get(bucketName(key))?.objects.get(rowName(key));
            if (current?.revision !== base?.revision) {
                pending.reject(new CommitConflict(current));
                continue;
            }
            revision += 1;
            const stored = new Stored(versioned(next ?? base?.object, revision), revision);
            ready.push({ pending, stored });
            ops.push(
                next === undefined
                    ? { op: "delete", key: storeKey(key) }
                    : { op: "put", key: storeKey(key), value: stored.object },
            );
        }
        if (ops.length === 0) return;
        ops.push({ op: "put", key: REVISION_KEY, value: revision });
        try {
            await this.#store.write(ops);
        } catch (error) {
            for (const { pending } of ready) pending.reject(error);
            return;
        }
        this.#revision = revision;
        for (const { pending, stored } of ready) this.#publish(pending, stored);
    }

    #publish({ change: { key, next, base }, resolve }: Pending, stored: Stored): void {
        const bucket = this.#bucket(key);
        const row = rowName(key);
        if (next === undefined) bucket.objects.delete(row);
        else bucket.objects.set(row, stored);
        if (next === undefined || base === undefined) bucket.sorted = undefined;
        const type = next === undefined ? "DELETED" : base === undefined ? "ADDED" : "MODIFIED";
        const change: Change = { type, current: stored, previous: base };
        resolve(stored);
        bucket.window.push(change);
    }

    #bucket(collection: Collection): Bucket {
        const name = bucketName(collection);
        let bucket = this.#buckets.get(name);
        if (bucket === undefined) {
            const window = new EventWindow(this.#floor, this.#historyLimit);
            bucket = { objects: new Map(), window, sorted: undefined };
            this.#buckets.set(name, bucket);
        }
        return bucket;
    }

    #adopt(key: string, object: KubeObject): void {
        const [group = "", plural = ""] = key.slice(OBJECTS.length).split("/");
        const bucket = this.#bucket({ group: group === "core" ? "" : group, plural });
        const { namespace = "", name, resourceVersion } = object.metadata;
        bucket.objects.set(`${namespace}/${name}`, new Stored(object, Number(resourceVersion)));
    }
}

const bucketName = ({ group, plural }: Collection): string => `${group === "" ? "core" : group}/${plural}`;
const rowName = ({ namespace, name }: ObjectKey): string => `${namespace}/${name}`;
const storeKey = (key: ObjectKey): string => `${OBJECTS}${bucketName(key)}/${key.namespace}/${key.name}`;

function versioned(object: KubeObject | undefined, revision: number): KubeObject {
    if (object === undefined) throw new CommitConflict(undefined);
    return { ...object, metadata: { ...object.metadata, resourceVersion: String(revision) } };
}
