// SPDX-License-Identifier: Apache-2.0
import { formatResource, parseResource } from "../../envelope/resource.ts";
import type { KubeObject } from "../../kube/types.ts";
import type { DocumentStore, StoreOp } from "../../store/store.ts";

const OBJECTS = "objects/";
const QUARANTINE = "quarantine/";

/** Why a pushed object was or was not taken. */
export type PutOutcome = "stored" | "unchanged" | "older";

/** `current` undefined: removed; `previous` undefined: new. */
export type ChangeListener = (
    resource: string,
    current: KubeObject | undefined,
    previous: KubeObject | undefined,
) => void;

/** The objects as others may see them: read, and followed. */
export interface ObjectSource {
    get(resource: string): KubeObject | undefined;
    list(type?: string): readonly { readonly resource: string; readonly object: KubeObject }[];
    /** Called after each change, once it is on disk. Returns the function that stops. */
    onChange(listener: ChangeListener): () => void;
}

/**
 * The objects this gateway knows, by wire resource (`<namespace>/<type>/<name>`), in memory and on disk. Disk first:
 * a change is visible only after the store has it. A record that cannot be an object is moved aside, never fatal.
 */
export class ObjectTable implements ObjectSource {
    readonly #store: DocumentStore;
    readonly #listeners = new Set<ChangeListener>();
    readonly #objects = new Map<string, KubeObject>();
    /** Resources with a record in quarantine; it goes when the object is here again. */
    readonly #quarantined = new Set<string>();

    constructor(store: DocumentStore) {
        this.#store = store;
    }

    /**
     * Reads everything. Records that are no objects, or that no key opens, are moved aside;
     * secrets that an earlier version left in plain text are named.
     */
    async load(): Promise<Loaded> {
        this.#objects.clear();
        const bad: string[] = [];
        const plain: StoreOp[] = [];
        const ops: StoreOp[] = [];
        for (const { key, value, sealed } of await this.#store.scan(OBJECTS)) {
            const resource = key.slice(OBJECTS.length);
            const object = sealed === "shut" ? undefined : asObject(value);
            if (object !== undefined && matches(resource, object)) {
                this.#objects.set(resource, object);
                if (isSecret(resource) && sealed === undefined) plain.push(putOf(OBJECTS, resource, object));
            } else {
                bad.push(resource);
                ops.push(putOf(QUARANTINE, resource, value ?? null), { op: "delete", key });
            }
        }
        if (ops.length > 0) await this.#store.write(ops);
        for (const { key } of await this.#store.scan(QUARANTINE)) this.#quarantined.add(key.slice(QUARANTINE.length));
        return { bad, plain: this.#store.purge === undefined ? [] : plain };
    }

    get size(): number {
        return this.#objects.size;
    }

    get(resource: string): KubeObject | undefined {
        return this.#objects.get(resource);
    }

    /** Objects of one type, all namespaces, in resource order. */
    list(type?: string): readonly { readonly resource: string; readonly object: KubeObject }[] {
        return [...this.#objects]
            .filter(([resource]) => type === undefined || parseResource(resource)?.type === type)
            .map(([resource, object]) => ({ resource, object }))
            .sort((a, b) => (a.resource < b.resource ? -1 : 1));
    }

    onChange(listener: ChangeListener): () => void {
        this.#listeners.add(listener);
        return () => this.#listeners.delete(listener);
    }

    /** Stores a pushed object unless the same incarnation is here in this or a newer version. */
    async put(resource: string, object: KubeObject): Promise<PutOutcome> {
        const known = this.#objects.get(resource);
        if (known !== undefined && known.metadata.uid === object.metadata.uid) {
            const order = compareVersions(object.metadata.resourceVersion, known.metadata.resourceVersion);
            if (order < 0) return "older";
            if (order === 0 && object.metadata.resourceVersion !== undefined && sameDeletion(known, object)) {
                return "unchanged";
            }
        }
        await this.replace(resource, object);
        return "stored";
    }

    /** Stores without asking for versions; `also` is written with it, all or nothing. */
    async replace(resource: string, object: KubeObject, also: readonly StoreOp[] = []): Promise<void> {
        const ops: StoreOp[] = [putOf(OBJECTS, resource, object), ...also];
        if (this.#quarantined.has(resource)) ops.push({ op: "delete", key: QUARANTINE + resource });
        await this.#store.write(ops);
        this.#quarantined.delete(resource);
        const previous = this.#objects.get(resource);
        this.#objects.set(resource, object);
        for (const listener of this.#listeners) listener(resource, object, previous);
    }

    /** Removes it, if it is that incarnation (no uid: whichever). Returns what was removed. */
    async remove(
        resource: string,
        uid: string | undefined,
        also: readonly StoreOp[] = [],
    ): Promise<KubeObject | undefined> {
        const known = this.#objects.get(resource);
        if (known === undefined) return undefined;
        if (uid !== undefined && uid !== "" && known.metadata.uid !== undefined && known.metadata.uid !== uid) {
            return undefined;
        }
        await this.#store.write([{ op: "delete", key: OBJECTS + resource }, ...also]);
        this.#objects.delete(resource);
        for (const listener of this.#listeners) listener(resource, undefined, known);
        return known;
    }
}

export interface Loaded {
    /** Resources whose records have been moved aside. */
    readonly bad: readonly string[];
    /** What is to be written again, sealed. */
    readonly plain: readonly StoreOp[];
}

function isSecret(resource: string): boolean {
    return parseResource(resource)?.type === "secret";
}

function putOf(prefix: string, resource: string, value: unknown): StoreOp {
    return { op: "put", key: prefix + resource, value, ...(isSecret(resource) ? { secret: true } : {}) };
}

/** An object with a named metadata, or undefined. */
export function asObject(value: unknown): KubeObject | undefined {
    if (value === null || typeof value !== "object" || Array.isArray(value)) return undefined;
    const { metadata } = value as { metadata?: { name?: unknown } };
    if (metadata === null || typeof metadata !== "object" || typeof metadata.name !== "string") return undefined;
    return value as KubeObject;
}

/** Below zero when `a` is older. Versions that are not whole numbers cannot be compared and count as newer. */
export function compareVersions(a: string | undefined, b: string | undefined): number {
    if (a === b) return 0;
    if (a === undefined || b === undefined || !/^\d+$/.test(a) || !/^\d+$/.test(b)) return 1;
    const left = BigInt(a);
    const right = BigInt(b);
    return left < right ? -1 : left > right ? 1 : 0;
}

function sameDeletion(known: KubeObject, object: KubeObject): boolean {
    return known.metadata.deletionTimestamp === object.metadata.deletionTimestamp;
}

function matches(resource: string, object: KubeObject): boolean {
    const parsed = parseResource(resource);
    return parsed !== undefined && resource === formatResource(parsed.namespace, parsed.type, object.metadata.name);
}
