// SPDX-License-Identifier: Apache-2.0
import type { Ports } from "../../core/component.ts";
import { formatResource } from "../../envelope/resource.ts";
import type { KubeClient, ObjectRef } from "../../kube/client/client.ts";
import { Informer } from "../../kube/client/informer.ts";
import { isAlreadyExists, isNotFound, statusCode } from "../../kube/client/status-error.ts";
import { apiVersionOf, Kinds, type KubeObject, type ResourceType } from "../../kube/types.ts";
import { OnceHeld } from "../shared/once-held.ts";
import { type Closing, WorkQueue } from "./work-queue.ts";

/** What one node holds of one object, as ObjectSync or ClusterObjectSync says (wire protocol, section 3.7). */
export interface SyncRecord {
    readonly uid: string;
    readonly apiVersion: string;
    readonly kind: string;
    readonly namespace: string | undefined;
    readonly name: string;
    readonly resourceVersion: string;
    /** The edge's store when it acknowledged; empty for stock edges. */
    readonly store: string;
}

/** On every record: which store of the node acknowledged. A record of another store does not count. */
export const STORE_ANNOTATION = "redge.io/edge-store";

/**
 * The acknowledgements of all nodes, kept in the API server so that any CloudHub can take over any node. Reads are from
 * memory; writes are coalesced per object and node, and go on in the background: a lost one costs a repeated push.
 */
export class SyncLedger {
    readonly #cluster: KubeClient;
    readonly #byNode = new Map<string, Map<string, SyncRecord>>();
    readonly #former = new OnceHeld();
    readonly #queue: WorkQueue;
    readonly #intending = new Map<string, Promise<void>>();
    readonly #informers: readonly Informer<KubeObject>[];
    /** Kinds that the API server does not know; then acknowledgements are remembered here alone. */
    readonly #unserved = new Set<Informer<KubeObject>>();
    #ready = false;

    constructor(cluster: KubeClient, ports: Ports) {
        this.#cluster = cluster;
        this.#queue = new WorkQueue(ports, { workers: 16, retryMs: 500, delayMs: 500, what: "ObjectSync" });
        this.#informers = [Kinds.objectSync, Kinds.clusterObjectSync].map(
            (type) => new Informer({ cluster, query: { type }, parse: (object) => slim(object, type) }, ports),
        );
    }

    /** False until what was acknowledged before this start has been read. */
    get ready(): boolean {
        return this.#ready;
    }

    /** Begins to follow the records of all CloudHubs; `loaded` is called once, when the first list is complete. */
    start(loaded: () => void): void {
        for (const informer of this.#informers) {
            informer.on("add", (object) => this.observe(object));
            informer.on("update", (object) => this.observe(object));
            informer.on("delete", (object) => this.unobserve(object));
            informer.on("synced", () => {
                this.#unserved.delete(informer);
                if (this.#informers.every(({ synced }) => synced)) this.#setReady(loaded);
            });
            informer.on("trouble", (error) => {
                if (!isNotFound(error)) return;
                this.#unserved.add(informer);
                if (this.#unserved.size === this.#informers.length) this.#setReady(loaded);
            });
            void informer.start();
        }
    }

    #setReady(loaded: () => void): void {
        if (this.#ready) return;
        this.#ready = true;
        loaded();
    }

    /** Takes in a record as another CloudHub, or this one before a restart, wrote it. */
    observe(object: KubeObject): void {
        const parsed = parseRecord(object);
        if (parsed === undefined || this.#queue.has(keyOf(parsed.node, parsed.record.uid))) return;
        this.#recordsOf(parsed.node).set(parsed.record.uid, parsed.record);
    }

    /** A record is gone from the API server. */
    unobserve(object: KubeObject): void {
        const parsed = parseRecord(object);
        if (parsed === undefined || this.#queue.has(keyOf(parsed.node, parsed.record.uid))) return;
        this.#drop(parsed.node, parsed.record.uid);
    }

    /** What counts for a node with this store: resource versions by uid. */
    acknowledged(node: string, store: string): ReadonlyMap<string, string> {
        const versions = new Map<string, string>();
        for (const record of this.#byNode.get(node)?.values() ?? []) {
            if (record.store === store && record.resourceVersion !== "0") {
                versions.set(record.uid, record.resourceVersion);
            }
        }
        return versions;
    }

    records(node: string): readonly SyncRecord[] {
        return [...(this.#byNode.get(node)?.values() ?? [])];
    }

    /** True when the node has, or once had, the object of this resource name, as far as is known. */
    everHeld(node: string, resource: string): boolean {
        if (this.#former.has(node, resource)) return true;
        return this.records(node).some((record) => resourceOf(record) === resource);
    }

    nodes(): readonly string[] {
        return [...this.#byNode.keys()];
    }

    /** Puts on record, with version "0", that a node may soon hold an object; undefined when it is on record. */
    intend(node: string, record: SyncRecord): Promise<void> | undefined {
        const intending = this.#intending.get(keyOf(node, record.uid));
        if (intending !== undefined) return intending;
        if (this.#byNode.get(node)?.has(record.uid) === true) return undefined;
        this.#recordsOf(node).set(record.uid, record);
        if (this.#unserved.size > 0) return undefined;
        const key = keyOf(node, record.uid);
        const written = new Promise<void>((resolve) => {
            this.#queue.put(key, async () => {
                await this.#ensure(refOf(node, record), record);
                this.#intending.delete(key);
                resolve();
            });
        });
        this.#intending.set(key, written);
        return written;
    }

    acked(node: string, record: SyncRecord): void {
        const known = this.#byNode.get(node)?.get(record.uid);
        if (known?.resourceVersion === record.resourceVersion && known.store === record.store) return;
        this.#recordsOf(node).set(record.uid, record);
        const written = known?.store === record.store;
        if (this.#unserved.size > 0) return;
        this.#queue.putLater(keyOf(node, record.uid), () => this.#write(node, record, written));
    }

    /** The node acknowledged a delete. */
    gone(node: string, uid: string): void {
        const record = this.#byNode.get(node)?.get(uid);
        if (record === undefined) return;
        this.#drop(node, uid);
        this.#intending.delete(keyOf(node, uid));
        if (this.#unserved.size > 0) return;
        this.#queue.put(keyOf(node, uid), () => this.#delete(node, record));
    }

    /** The Node object was deleted: nothing is remembered of it. */
    forgetNode(node: string): void {
        for (const record of this.records(node)) this.gone(node, record.uid);
        this.#former.forget(node);
    }

    /** Writes not yet in the API server. */
    get pending(): number {
        return this.#queue.size;
    }

    /** Lets writes finish, at most `closing.withinMs`. */
    async stop(closing: Closing): Promise<void> {
        await Promise.all([this.#queue.stop(closing), ...this.#informers.map((informer) => informer.stop())]);
    }

    #recordsOf(node: string): Map<string, SyncRecord> {
        let records = this.#byNode.get(node);
        if (records === undefined) {
            records = new Map();
            this.#byNode.set(node, records);
        }
        return records;
    }

    #drop(node: string, uid: string): void {
        const records = this.#byNode.get(node);
        const record = records?.get(uid);
        if (records === undefined || record === undefined) return;
        records.delete(uid);
        this.#former.add(node, resourceOf(record));
        if (records.size === 0) this.#byNode.delete(node);
    }

    /** `written`: the record exists with this store, so its status alone changes (the kinds have a status subresource). */
    async #write(node: string, record: SyncRecord, written: boolean): Promise<void> {
        const ref = refOf(node, record);
        const status = { status: { objectResourceVersion: record.resourceVersion } };
        if (written && (await found(this.#cluster.patch(ref, status, "merge", { subresource: "status" })))) return;
        await this.#ensure(ref, record);
        await found(this.#cluster.patch(ref, status, "merge", { subresource: "status" }));
    }

    /** Makes the record exist with this store. */
    async #ensure(ref: ObjectRef, record: SyncRecord): Promise<void> {
        const { name, namespace } = ref;
        const annotations = { [STORE_ANNOTATION]: record.store };
        try {
            await this.#cluster.create(ref.type, {
                apiVersion: apiVersionOf(ref.type),
                kind: ref.type.kind,
                metadata: { name, ...(namespace === undefined ? {} : { namespace }), annotations },
                spec: { objectAPIVersion: record.apiVersion, objectKind: record.kind, objectName: record.name },
            });
        } catch (thrown) {
            if (!isAlreadyExists(thrown)) {
                // The namespace is going away and takes its records along.
                if (isNotFound(thrown) || statusCode(thrown) === 403) return;
                throw thrown;
            }
            await found(this.#cluster.patch(ref, { metadata: { annotations } }, "merge"));
        }
    }

    async #delete(node: string, record: SyncRecord): Promise<void> {
        await found(this.#cluster.delete(refOf(node, record)));
    }
}

/** False when the API server answered that the object, or its namespace, is not there (or is being deleted). */
async function found(request: Promise<unknown>): Promise<boolean> {
    try {
        await request;
        return true;
    } catch (thrown) {
        if (isNotFound(thrown) || statusCode(thrown) === 403) return false;
        throw thrown;
    }
}

function resourceOf({ namespace, kind, name }: SyncRecord): string {
    return formatResource(namespace, kind.toLowerCase(), name);
}

function keyOf(node: string, uid: string): string {
    return `${node}/${uid}`;
}

function refOf(node: string, { namespace, uid }: SyncRecord): ObjectRef {
    const type: ResourceType = namespace === undefined ? Kinds.clusterObjectSync : Kinds.objectSync;
    return { type, namespace, name: `${node}.${uid}` };
}

/** There is a record for every object of every node: keeps of each what is read here. */
function slim({ metadata, spec, status }: KubeObject, type: ResourceType): KubeObject {
    const { name, namespace, resourceVersion, annotations } = metadata;
    const store = annotations?.[STORE_ANNOTATION];
    return {
        apiVersion: apiVersionOf(type),
        kind: type.kind,
        metadata: {
            name,
            ...(namespace === undefined ? {} : { namespace }),
            ...(resourceVersion === undefined ? {} : { resourceVersion }),
            ...(store === undefined ? {} : { annotations: { [STORE_ANNOTATION]: store } }),
        },
        spec,
        status,
    };
}

/** The name is `<node>.<uid>`; a node's name may contain dots, a uid does not. */
function parseRecord(object: KubeObject): { readonly node: string; readonly record: SyncRecord } | undefined {
    const { name, namespace, annotations } = object.metadata;
    const dot = name.lastIndexOf(".");
    if (dot <= 0) return undefined;
    const spec = (object["spec"] ?? {}) as Record<string, unknown>;
    const status = (object["status"] ?? {}) as Record<string, unknown>;
    const { objectAPIVersion, objectKind, objectName } = spec;
    const version = status["objectResourceVersion"];
    return {
        node: name.slice(0, dot),
        record: {
            uid: name.slice(dot + 1),
            apiVersion: typeof objectAPIVersion === "string" ? objectAPIVersion : "v1",
            kind: typeof objectKind === "string" ? objectKind : "",
            namespace: object.kind === Kinds.clusterObjectSync.kind ? undefined : namespace,
            name: typeof objectName === "string" ? objectName : "",
            resourceVersion: typeof version === "string" ? version : "0",
            store: annotations?.[STORE_ANNOTATION] ?? "",
        },
    };
}
