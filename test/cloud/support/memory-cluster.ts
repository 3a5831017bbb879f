// SPDX-License-Identifier: Apache-2.0
import { randomUUID } from "node:crypto";
import { RedgeError } from "../../../src/core/errors/redge-error.ts";
import { asRecord, type JsonRecord } from "../../../src/core/json.ts";
import type {
    DeleteOptions,
    KubeClient,
    ListQuery,
    ObjectRef,
    PatchOptions,
    PatchType,
    WatchEvent,
} from "../../../src/kube/client/client.ts";
import { applyJsonPatch } from "../../../src/kube/patch/json-patch.ts";
import { applyMergePatch } from "../../../src/kube/patch/merge-patch.ts";
import { applyStrategicPatch, type MergeField, type MergeSchema } from "../../../src/kube/patch/strategic.ts";
import { apiVersionOf, type KubeList, type KubeObject, type ResourceType } from "../../../src/kube/types.ts";

/** Kinds whose status is written by its own subresource, and only there. */
const WITH_STATUS = new Set(["Node", "Pod", "ObjectSync", "ClusterObjectSync"]);
const MERGE_KEYS: Readonly<Record<string, string>> = { conditions: "type", addresses: "type" };
const schema: MergeSchema = {
    field: (name): MergeField => {
        const mergeKey = MERGE_KEYS[name];
        return { merge: mergeKey !== undefined, mergeKey, schema };
    },
};

/**
 * The API server as the controllers see it, in memory: versions, UIDs, the patch kinds, status subresources, graceful
 * deletion of pods, token requests and watches. What a test wants to go wrong is set in `failNext` and `down`.
 */
export class MemoryCluster implements KubeClient {
    readonly #objects = new Map<string, { readonly type: ResourceType; readonly object: KubeObject }>();
    readonly #history: { readonly version: number; readonly type: ResourceType; readonly event: WatchEvent }[] = [];
    readonly #watchers = new Set<() => void>();
    #version = 100;
    #cuts = 0;
    /** Every request fails as if nothing listened there. */
    down = false;
    /** Every request so far, as "verb plural/name". */
    readonly requests: string[] = [];
    /** Runs inside every write, before it takes effect. */
    beforeWrite: (request: string) => Promise<void> = async () => {};
    /** What a real server adds to a new object: admission, defaults, its UID. */
    complete: (object: KubeObject) => KubeObject = (object) => object;

    async get(ref: ObjectRef): Promise<KubeObject> {
        this.#note("get", ref.type, ref.name);
        return structuredClone(this.#at(ref));
    }

    async list({ type, namespace, fieldSelector }: ListQuery): Promise<KubeList> {
        this.#note("list", type, "");
        const items = [...this.#objects.values()]
            .filter((entry) => entry.type.plural === type.plural && entry.type.group === type.group)
            .map(({ object }) => structuredClone(object))
            .filter((object) => namespace === undefined || object.metadata.namespace === namespace)
            .filter((object) => selected(object, fieldSelector));
        const metadata = { resourceVersion: String(this.#version) };
        const kind = type.kind || (items[0]?.kind ?? "");
        return { apiVersion: apiVersionOf(type), kind: `${kind}List`, metadata, items };
    }

    async create(
        type: ResourceType,
        object: KubeObject,
        subresource?: { name: string; of: string },
    ): Promise<KubeObject> {
        const { name, namespace } = object.metadata;
        await this.#write(subresource === undefined ? "create" : `create-${subresource.name}`, type, name);
        if (subresource?.name === "token") {
            this.#at({ type, namespace, name: subresource.of });
            const status = { token: "signed", expirationTimestamp: "2026-11-22T15:21:00Z" };
            return { ...structuredClone(object), status };
        }
        const key = keyOf(type, namespace, name);
        if (this.#objects.has(key)) throw failure(409, "AlreadyExists", `${type.plural} "${name}" already exists`);
        const metadata = { ...object.metadata, uid: randomUUID(), creationTimestamp: "2026-11-22T14:20:26Z" };
        return this.#put(type, key, this.complete({ ...structuredClone(object), metadata }), "ADDED");
    }

    async replace(type: ResourceType, object: KubeObject, subresource?: string): Promise<KubeObject> {
        const { name, namespace, resourceVersion } = object.metadata;
        await this.#write("replace", type, name);
        const current = this.#at({ type, namespace, name });
        if (resourceVersion !== undefined && resourceVersion !== current.metadata.resourceVersion) {
            throw failure(409, "Conflict", "the object has been modified");
        }
        const next =
            subresource === "status" ? { ...current, status: object["status"] } : this.#keepStatus(current, object);
        return this.#put(type, keyOf(type, namespace, name), structuredClone(next), "MODIFIED");
    }

    async patch(ref: ObjectRef, patch: unknown, kind: PatchType, options?: PatchOptions): Promise<KubeObject> {
        await this.#write("patch", ref.type, ref.name);
        const current = this.#at(ref);
        const uid = asRecord(asRecord(patch)["metadata"])["uid"];
        if (uid !== undefined && uid !== current.metadata.uid) throw failure(409, "Conflict", "another UID");
        const patched = apply(current, patch, kind);
        const next =
            options?.subresource === "status"
                ? { ...current, status: patched["status"] }
                : this.#keepStatus(current, patched);
        return this.#put(ref.type, keyOf(ref.type, ref.namespace, ref.name), structuredClone(next), "MODIFIED");
    }

    async delete(ref: ObjectRef, options: DeleteOptions = {}): Promise<void> {
        await this.#write("delete", ref.type, ref.name);
        const current = this.#at(ref);
        if (options.uid !== undefined && options.uid !== current.metadata.uid) {
            throw failure(409, "Conflict", "the UID in the precondition does not match");
        }
        const key = keyOf(ref.type, ref.namespace, ref.name);
        const graceful = ref.type.kind === "Pod" && options.gracePeriodSeconds !== 0;
        if (graceful && asRecord(current["spec"])["nodeName"] !== undefined) {
            const metadata = {
                ...current.metadata,
                deletionTimestamp: "2026-11-22T14:30:00Z",
                deletionGracePeriodSeconds: 30,
            };
            this.#put(ref.type, key, { ...current, metadata }, "MODIFIED");
            return;
        }
        this.#objects.delete(key);
        this.#tell(ref.type, "DELETED", current);
    }

    /** Every watch ends, as when the server restarts. */
    cutWatches(): void {
        this.#cuts += 1;
        for (const watcher of [...this.#watchers]) watcher();
    }

    async *watch(query: ListQuery & { resourceVersion: string }, signal: AbortSignal): AsyncIterable<WatchEvent> {
        this.#note("watch", query.type, "");
        const cuts = this.#cuts;
        let seen = Number(query.resourceVersion);
        let wake = (): void => {};
        const watcher = (): void => wake();
        this.#watchers.add(watcher);
        signal.addEventListener("abort", watcher);
        try {
            while (!signal.aborted && cuts === this.#cuts) {
                const next = this.#history.find(
                    ({ version, type }) => version > seen && type.plural === query.type.plural,
                );
                if (next === undefined) {
                    await new Promise<void>((resolve) => {
                        wake = resolve;
                    });
                    continue;
                }
                seen = next.version;
                if (selected(next.event.object, query.fieldSelector)) yield structuredClone(next.event);
            }
        } finally {
            this.#watchers.delete(watcher);
        }
    }

    async close(): Promise<void> {}

    /** Puts an object there as it is, as if somebody else had made or changed it. */
    inject(type: ResourceType, object: KubeObject): void {
        const { namespace, name } = object.metadata;
        const key = keyOf(type, namespace, name);
        this.#put(type, key, structuredClone(object), this.#objects.has(key) ? "MODIFIED" : "ADDED");
    }

    /** Takes an object away at once, as if somebody else had deleted it; nothing happens when it is not there. */
    remove(type: ResourceType, name: string, namespace = "default"): void {
        const key = keyOf(type, type.namespaced ? namespace : undefined, name);
        const found = this.#objects.get(key);
        if (found === undefined) return;
        this.#objects.delete(key);
        this.#tell(type, "DELETED", found.object);
    }

    /** The object, for assertions. */
    peek(type: ResourceType, name: string, namespace = "default"): KubeObject | undefined {
        return this.#objects.get(keyOf(type, type.namespaced ? namespace : undefined, name))?.object;
    }

    all(type: ResourceType): readonly KubeObject[] {
        return [...this.#objects.values()]
            .filter((entry) => entry.type.plural === type.plural)
            .map(({ object }) => object);
    }

    #keepStatus(current: KubeObject, next: KubeObject): KubeObject {
        return WITH_STATUS.has(current.kind) ? { ...next, status: current["status"] } : next;
    }

    #note(verb: string, type: ResourceType, name: string): void {
        this.requests.push(`${verb} ${type.plural}/${name}`);
        if (this.down) throw new RedgeError("REDGE_KUBE_UNREACHABLE", { server: "memory", reason: "down" });
    }

    async #write(verb: string, type: ResourceType, name: string): Promise<void> {
        this.#note(verb, type, name);
        await this.beforeWrite(`${verb} ${type.plural}/${name}`);
    }

    #at({ type, namespace, name }: ObjectRef): KubeObject {
        const found = this.#objects.get(keyOf(type, namespace, name));
        if (found === undefined) throw failure(404, "NotFound", `${type.plural} "${name}" not found`);
        return found.object;
    }

    #put(type: ResourceType, key: string, object: KubeObject, change: "ADDED" | "MODIFIED"): KubeObject {
        object.metadata = { ...object.metadata, resourceVersion: String(this.#version + 1) };
        this.#objects.set(key, { type, object });
        this.#tell(type, change, object);
        return structuredClone(object);
    }

    #tell(type: ResourceType, change: WatchEvent["type"], object: KubeObject): void {
        this.#version += 1;
        const metadata = { ...object.metadata, resourceVersion: String(this.#version) };
        const event = { type: change, object: structuredClone({ ...object, metadata }) };
        this.#history.push({ version: this.#version, type, event });
        for (const watcher of [...this.#watchers]) watcher();
    }
}

function apply(current: KubeObject, patch: unknown, kind: PatchType): KubeObject {
    const base = structuredClone(current) as unknown as JsonRecord;
    const patched =
        kind === "json"
            ? applyJsonPatch(base, patch)
            : kind === "strategic"
              ? applyStrategicPatch(base, asRecord(patch), schema)
              : applyMergePatch(base, patch);
    return patched as KubeObject;
}

function selected(object: KubeObject, fieldSelector: string | undefined): boolean {
    if (fieldSelector !== "spec.nodeName!=") return true;
    return (asRecord(object["spec"])["nodeName"] ?? "") !== "";
}

function keyOf(type: ResourceType, namespace: string | undefined, name: string): string {
    return `${type.group}/${type.plural}/${namespace ?? ""}/${name}`;
}

function failure(code: number, reason: string, message: string): RedgeError {
    return new RedgeError("REDGE_KUBE_STATUS", { code, reason, message });
}
