// SPDX-License-Identifier: Apache-2.0
import { isDeepStrictEqual } from "node:util";
import type { Clock } from "../../src/core/clock.ts";
import type {
    DeleteOptions,
    KubeClient,
    ListQuery,
    ObjectRef,
    PatchOptions,
    PatchType,
    WatchEvent,
} from "../../src/kube/client/client.ts";
import { applyMergePatch } from "../../src/kube/patch/merge-patch.ts";
import { alreadyExists, conflict, MODIFIED_MEANWHILE, notFound } from "../../src/kube/rest/status.ts";
import { fieldMatcher, parseFieldSelector } from "../../src/kube/selectors/fields.ts";
import { everything, parseLabelSelector } from "../../src/kube/selectors/labels.ts";
import type { KubeList, KubeObject, ResourceType } from "../../src/kube/types.ts";

type Fields = Record<string, unknown>;
interface Change {
    readonly version: number;
    readonly type: ResourceType;
    readonly event: WatchEvent["type"];
    readonly object: KubeObject;
}

const SELECTABLE = { "spec.nodeName": "spec.nodeName", "status.phase": "status.phase" };

/**
 * The object rules of an API server without its sockets, so that controllers are tested with a clock that stands
 * still: versions, generations, finalizers, grace periods, preconditions, watches. It neither validates nor defaults.
 */
export class MemoryCluster implements KubeClient {
    readonly #clock: Pick<Clock, "nowMs">;
    readonly #objects = new Map<string, { readonly type: ResourceType; object: KubeObject }>();
    readonly #history: Change[] = [];
    readonly #wakers = new Set<() => void>();
    #version = 0;
    /** Every write in order, as "verb plural name"; for tests that count them. */
    readonly writes: string[] = [];
    /** When set, called before every write; what it throws, the write throws. */
    refuse: ((verb: string, type: ResourceType, object: KubeObject | undefined) => void) | undefined;

    constructor(clock: Pick<Clock, "nowMs">) {
        this.#clock = clock;
    }

    async get(ref: ObjectRef): Promise<KubeObject> {
        return this.#found(ref);
    }

    async list(query: ListQuery): Promise<KubeList> {
        const selects = selector(query);
        const items = [...this.#objects.values()].filter(
            ({ type, object }) => same(type, query.type) && selects(object),
        );
        return {
            apiVersion: "v1",
            kind: `${query.type.kind}List`,
            metadata: { resourceVersion: String(this.#version) },
            items: items.map(({ object }) => object),
        };
    }

    async create(
        type: ResourceType,
        sent: KubeObject,
        subresource?: { name: string; of: string },
    ): Promise<KubeObject> {
        if (subresource !== undefined) return this.#bind(type, sent, subresource.of);
        this.#count("create", type, sent);
        const name = sent.metadata.name || `${sent.metadata.generateName}${(this.#version + 1).toString(36)}`;
        const ref = { type, namespace: sent.metadata.namespace, name };
        if (this.#objects.has(keyOf(ref))) throw alreadyExists(type, name);
        const metadata = {
            ...sent.metadata,
            name,
            uid: `uid-${this.#version + 1}`,
            generation: 1,
            creationTimestamp: new Date(this.#clock.nowMs()).toISOString(),
        };
        return this.#commit(type, "ADDED", { ...structuredClone(sent), metadata });
    }

    async replace(type: ResourceType, sent: KubeObject, subresource?: string): Promise<KubeObject> {
        this.#count("replace", type, sent);
        return this.#update(type, sent, subresource);
    }

    async patch(ref: ObjectRef, patch: unknown, kind: PatchType, options: PatchOptions = {}): Promise<KubeObject> {
        const current = this.#found(ref);
        this.#count("patch", ref.type, current);
        const { uid } = ((patch as { metadata?: { uid?: string } }).metadata ?? {}) as { uid?: string };
        if (uid !== undefined && uid !== current.metadata.uid) throw conflict(ref.type, ref.name, MODIFIED_MEANWHILE);
        const merged = kind === "strategic" ? withConditions(current, patch as Fields) : (patch as Fields);
        const next = applyMergePatch(current, merged) as KubeObject;
        const version = (patch as { metadata?: { resourceVersion?: string } }).metadata?.resourceVersion;
        const resourceVersion = version ?? current.metadata.resourceVersion ?? "";
        return this.#update(
            ref.type,
            { ...next, metadata: { ...next.metadata, resourceVersion } },
            options.subresource,
        );
    }

    async delete(ref: ObjectRef, options: DeleteOptions = {}): Promise<void> {
        const object = this.#found(ref);
        this.#count("delete", ref.type, object);
        const { metadata } = object;
        if (options.uid !== undefined && options.uid !== metadata.uid) throw conflict(ref.type, ref.name, "other uid");
        if (options.resourceVersion !== undefined && options.resourceVersion !== metadata.resourceVersion) {
            throw conflict(ref.type, ref.name, MODIFIED_MEANWHILE);
        }
        const finalizers = [...(metadata.finalizers ?? [])];
        if (options.propagationPolicy === "Foreground") finalizers.push("foregroundDeletion");
        if (options.propagationPolicy === "Orphan") finalizers.push("orphan");
        const { nodeName } = (object["spec"] ?? {}) as { nodeName?: string };
        const graceful = ref.type.plural === "pods" && nodeName !== undefined && options.gracePeriodSeconds !== 0;
        const namespace = ref.type.plural === "namespaces";
        if (finalizers.length === 0 && !graceful && !namespace) {
            this.#remove(ref.type, object);
            return;
        }
        if (metadata.deletionTimestamp !== undefined) return;
        const deletionTimestamp = new Date(this.#clock.nowMs()).toISOString();
        this.#commit(ref.type, "MODIFIED", { ...object, metadata: { ...metadata, finalizers, deletionTimestamp } });
    }

    async *watch(
        query: ListQuery & { readonly resourceVersion: string },
        signal: AbortSignal,
    ): AsyncGenerator<WatchEvent> {
        const selects = selector(query);
        let seen = Number(query.resourceVersion);
        while (!signal.aborted) {
            for (const change of this.#history.slice(seen)) {
                seen = change.version;
                if (same(change.type, query.type) && selects(change.object)) {
                    yield { type: change.event, object: change.object };
                }
            }
            if (this.#history.length > seen) continue;
            await new Promise<void>((resolve) => {
                const wake = (): void => {
                    this.#wakers.delete(wake);
                    signal.removeEventListener("abort", wake);
                    resolve();
                };
                this.#wakers.add(wake);
                signal.addEventListener("abort", wake);
            });
        }
    }

    async close(): Promise<void> {}

    #found(ref: ObjectRef): KubeObject {
        const found = this.#objects.get(keyOf(ref))?.object;
        if (found === undefined) throw notFound(ref.type, ref.name);
        return found;
    }

    #update(type: ResourceType, sent: KubeObject, subresource: string | undefined): KubeObject {
        const current = this.#found({ type, namespace: sent.metadata.namespace, name: sent.metadata.name });
        const { resourceVersion } = sent.metadata;
        if (resourceVersion !== undefined && resourceVersion !== current.metadata.resourceVersion) {
            throw conflict(type, sent.metadata.name, MODIFIED_MEANWHILE);
        }
        const next =
            subresource === "status"
                ? { ...current, status: sent["status"] }
                : { ...structuredClone(sent), ...("status" in current ? { status: current["status"] } : {}) };
        const specChanged = !isDeepStrictEqual((next as Fields)["spec"], current["spec"]);
        const generation = (current.metadata.generation ?? 1) + (specChanged ? 1 : 0);
        const object = { ...next, metadata: { ...next.metadata, generation } } as KubeObject;
        const { deletionTimestamp, finalizers } = object.metadata;
        const { finalizers: held } = (object["spec"] ?? {}) as { finalizers?: string[] };
        const free = deletionTimestamp !== undefined && !finalizers?.length && !held?.length;
        if (free && (type.plural !== "pods" || finalizers !== current.metadata.finalizers)) this.#remove(type, object);
        else if (!isDeepStrictEqual(object, current)) return this.#commit(type, "MODIFIED", object);
        return object;
    }

    #bind(type: ResourceType, binding: KubeObject, name: string): KubeObject {
        const pod = this.#found({ type, namespace: binding.metadata.namespace, name });
        this.#count("bind", type, pod);
        const { nodeName } = pod["spec"] as { nodeName?: string };
        if (nodeName !== undefined) throw conflict(type, name, "already assigned");
        const { target } = binding as unknown as { target: { name: string } };
        const spec = { ...(pod["spec"] as object), nodeName: target.name };
        return this.#commit(type, "MODIFIED", { ...pod, spec });
    }

    #commit(type: ResourceType, event: WatchEvent["type"], object: KubeObject): KubeObject {
        this.#version += 1;
        const metadata = { ...object.metadata, resourceVersion: String(this.#version) };
        const stored: KubeObject = { ...object, metadata };
        const key = keyOf({ type, namespace: metadata.namespace, name: metadata.name });
        if (event === "DELETED") this.#objects.delete(key);
        else this.#objects.set(key, { type, object: stored });
        this.#history.push({ version: this.#version, type, event, object: stored });
        for (const wake of [...this.#wakers]) wake();
        return stored;
    }

    #remove(type: ResourceType, object: KubeObject): void {
        this.#commit(type, "DELETED", object);
    }

    #count(verb: string, type: ResourceType, object: KubeObject): void {
        this.refuse?.(verb, type, object);
        this.writes.push(`${verb} ${type.plural} ${object.metadata.name || object.metadata.generateName}`);
    }
}

function keyOf({ type, namespace, name }: ObjectRef): string {
    return `${type.plural}.${type.group}/${type.namespaced ? (namespace ?? "default") : ""}/${name}`;
}

function same(one: ResourceType, other: ResourceType): boolean {
    return one.group === other.group && one.plural === other.plural;
}

function selector({ namespace, labelSelector, fieldSelector }: ListQuery): (object: KubeObject) => boolean {
    const labels = labelSelector === undefined ? everything : parseLabelSelector(labelSelector);
    const fields =
        fieldSelector === undefined ? () => true : fieldMatcher(parseFieldSelector(fieldSelector), SELECTABLE);
    return (object) =>
        (namespace === undefined || object.metadata.namespace === namespace) &&
        labels(object.metadata.labels) &&
        fields(object);
}

/** The only list that a strategic patch of a controller merges: conditions, by type. */
function withConditions(current: KubeObject, patch: Fields): Fields {
    const { conditions } = (patch["status"] ?? {}) as { conditions?: { type: string }[] };
    if (conditions === undefined) return patch;
    const { conditions: known = [] } = (current["status"] ?? {}) as { conditions?: { type: string }[] };
    const kept = known.filter(({ type }) => !conditions.some((condition) => condition.type === type));
    return { ...patch, status: { ...(patch["status"] as object), conditions: [...kept, ...conditions] } };
}
