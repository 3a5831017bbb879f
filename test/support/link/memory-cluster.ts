// SPDX-License-Identifier: Apache-2.0
import { randomUUID } from "node:crypto";
import { RedgeError } from "../../../src/core/errors/redge-error.ts";
import type {
    KubeClient,
    ListQuery,
    ObjectRef,
    PatchOptions,
    PatchType,
    WatchEvent,
} from "../../../src/kube/client/client.ts";
import type { KubeList, KubeObject, ResourceType } from "../../../src/kube/types.ts";

interface Past {
    readonly version: number;
    readonly event: WatchEvent;
}

/** Kinds with a status subresource, whose status a patch of the object itself does not change. */
const STATUS_APART: ReadonlySet<string> = new Set(["objectsyncs", "clusterobjectsyncs", "nodes", "pods"]);

/** The little of an API server that CloudHub asks for, in memory: merge patches, status subresources, watches. */
export class MemoryCluster implements KubeClient {
    readonly #objects = new Map<string, KubeObject>();
    readonly #history = new Map<string, Past[]>();
    readonly #watchers = new Set<() => void>();
    #version = 1;
    #down = false;
    writes = 0;

    /** While true every request fails and every watch ends, as if the server were down. */
    set down(down: boolean) {
        this.#down = down;
        for (const watcher of [...this.#watchers]) watcher();
    }

    async get(ref: ObjectRef): Promise<KubeObject> {
        return copyOf(this.#at(ref));
    }

    async list({ type, namespace }: ListQuery): Promise<KubeList> {
        this.#check();
        const items = [...this.#objects]
            .filter(([key, object]) => key.startsWith(`${type.plural}/`) && inNamespace(object, namespace))
            .map(([, object]) => copyOf(object));
        return { apiVersion: "v1", kind: "List", metadata: { resourceVersion: String(this.#version) }, items };
    }

    async create(type: ResourceType, object: KubeObject): Promise<KubeObject> {
        this.#check();
        const { name, namespace } = object.metadata;
        const key = keyOf({ type, namespace, name });
        if (this.#objects.has(key)) throw status(409, "AlreadyExists", key);
        const created = copyOf(object);
        created.metadata.uid ??= randomUUID();
        return this.#put(key, created, "ADDED", type);
    }

    async replace(type: ResourceType, object: KubeObject): Promise<KubeObject> {
        const { name, namespace } = object.metadata;
        const { resourceVersion } = object.metadata;
        const current = this.#at({ type, namespace, name }).metadata.resourceVersion;
        if (resourceVersion !== undefined && resourceVersion !== current) throw status(409, "Conflict", name);
        return this.#put(keyOf({ type, namespace, name }), copyOf(object), "MODIFIED", type);
    }

    async patch(ref: ObjectRef, patch: unknown, type: PatchType, options?: PatchOptions): Promise<KubeObject> {
        if (type !== "merge") throw new Error(`patch type ${type} is not supported here`);
        const old = this.#at(ref);
        const whole = patch as Record<string, unknown>;
        const apart = STATUS_APART.has(ref.type.plural);
        const wholeOrSpec = apart ? { ...whole, status: undefined } : whole;
        const part = options?.subresource === "status" ? { status: whole["status"] } : wholeOrSpec;
        return this.#put(keyOf(ref), merge(old, part) as KubeObject, "MODIFIED", ref.type);
    }

    async delete(ref: ObjectRef): Promise<void> {
        const object = this.#at(ref);
        this.#objects.delete(keyOf(ref));
        this.#version += 1;
        this.writes += 1;
        object.metadata.resourceVersion = String(this.#version);
        this.#tell(ref.type.plural, { type: "DELETED", object });
    }

    async *watch(query: ListQuery & { resourceVersion: string }, signal: AbortSignal): AsyncIterable<WatchEvent> {
        this.#check();
        const history = this.#historyOf(query.type.plural);
        let at = history.findIndex(({ version }) => version > Number(query.resourceVersion));
        if (at < 0) at = history.length;
        let wake = (): void => {};
        const watcher = (): void => wake();
        this.#watchers.add(watcher);
        signal.addEventListener("abort", watcher);
        try {
            while (!signal.aborted) {
                this.#check();
                const next = history[at];
                if (next === undefined) {
                    await new Promise<void>((resolve) => {
                        wake = resolve;
                    });
                    continue;
                }
                at += 1;
                yield copyOf(next.event);
            }
        } finally {
            signal.removeEventListener("abort", watcher);
            this.#watchers.delete(watcher);
        }
    }

    async close(): Promise<void> {}

    /** How often an object of this type and name was created. */
    created(type: ResourceType, name: string): number {
        const history = this.#history.get(type.plural) ?? [];
        return history.filter(({ event }) => event.type === "ADDED" && event.object.metadata.name === name).length;
    }

    /** Names of the objects of a type in the order they were created. */
    added(type: ResourceType): readonly string[] {
        const history = this.#history.get(type.plural) ?? [];
        return history.flatMap(({ event }) => (event.type === "ADDED" ? [event.object.metadata.name] : []));
    }

    /** The states of an object before this one, oldest first. */
    past(type: ResourceType, { metadata: { name, namespace, resourceVersion } }: KubeObject): readonly KubeObject[] {
        const states = (this.#history.get(type.plural) ?? []).map(({ event }) => event.object);
        return states.filter(
            ({ metadata }) =>
                metadata.name === name &&
                metadata.namespace === namespace &&
                Number(metadata.resourceVersion) < Number(resourceVersion),
        );
    }

    /** Everything of one type, for assertions. */
    all(type: ResourceType): readonly KubeObject[] {
        return [...this.#objects].filter(([key]) => key.startsWith(`${type.plural}/`)).map(([, object]) => object);
    }

    #historyOf(plural: string): Past[] {
        const history = this.#history.get(plural) ?? [];
        this.#history.set(plural, history);
        return history;
    }

    #tell(plural: string, event: WatchEvent): void {
        this.#historyOf(plural).push({ version: this.#version, event: copyOf(event) });
        for (const watcher of [...this.#watchers]) watcher();
    }

    #check(): void {
        if (this.#down) throw new RedgeError("REDGE_KUBE_UNREACHABLE", { server: "memory", reason: "down" });
    }

    #at(ref: ObjectRef): KubeObject {
        this.#check();
        const object = this.#objects.get(keyOf(ref));
        if (object === undefined) throw status(404, "NotFound", keyOf(ref));
        return object;
    }

    #put(key: string, object: KubeObject, type: "ADDED" | "MODIFIED", resource: ResourceType): KubeObject {
        this.#version += 1;
        this.writes += 1;
        object.metadata.resourceVersion = String(this.#version);
        this.#objects.set(key, object);
        this.#tell(resource.plural, { type, object });
        return copyOf(object);
    }
}

function keyOf({ type, namespace, name }: ObjectRef): string {
    return `${type.plural}/${namespace ?? ""}/${name}`;
}

function inNamespace(object: KubeObject, namespace: string | undefined): boolean {
    return namespace === undefined || object.metadata.namespace === namespace;
}

function status(code: number, reason: string, what: string): RedgeError {
    return new RedgeError("REDGE_KUBE_STATUS", { code, reason, message: what });
}

/** JSON merge patch (RFC 7396), except that undefined changes nothing. */
function merge(target: unknown, patch: unknown): unknown {
    if (patch === null || typeof patch !== "object" || Array.isArray(patch)) return copyOf(patch);
    const base = target !== null && typeof target === "object" && !Array.isArray(target) ? target : {};
    const result: Record<string, unknown> = copyOf(base) as Record<string, unknown>;
    for (const [key, value] of Object.entries(patch)) {
        if (value === undefined) continue;
        if (value === null) delete result[key];
        else result[key] = merge(result[key], value);
    }
    return result;
}

/** Objects are JSON; for small ones this costs a third of `structuredClone`, which benches would measure. */
function copyOf<T>(value: T): T {
    return value === undefined ? value : (JSON.parse(JSON.stringify(value)) as T);
}
