// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "../../core/clock.ts";
import { formatResource, parseResource } from "../../envelope/resource.ts";
import type { ServedResource } from "../../kube/rest/resources.ts";
import { expired, notFound } from "../../kube/rest/status.ts";
import { EventWindow } from "../../kube/storage/event-window.ts";
import {
    type Collection,
    type Commit,
    CommitConflict,
    type ObjectKey,
    type ObjectRegistry,
    type Snapshot,
    type WatchStart,
} from "../../kube/storage/registry.ts";
import { type ChangeType, Stored } from "../../kube/storage/stored.ts";
import { apiVersionOf, type KubeObject } from "../../kube/types.ts";
import { type LocalWrites, WriteRaced } from "../metamanager/local-writes.ts";
import type { ObjectSource } from "../metamanager/object-table.ts";

const HISTORY = 1024;
/** Room for a thousand changes a millisecond before versions of two starts could meet. */
const VERSIONS_PER_MS = 1000;

/**
 * What MetaManager keeps, as an API server's registry. Resource versions are this gateway's own: they rise with every
 * change seen here, also with those that were never in the cloud, and an old one is told to list again after a restart.
 */
export class CachedObjects implements ObjectRegistry {
    readonly #source: ObjectSource;
    readonly #writer: Pick<LocalWrites, "commit">;
    readonly #resources = new Map<string, ServedResource>();
    readonly #versions = new Map<string, number>();
    readonly #windows = new Map<string, EventWindow>();
    readonly #floor: number;
    #revision: number;
    #stop: () => void = () => {};

    /** @param resources what is served, by the singular name that wire resources use */
    constructor(
        source: ObjectSource,
        writer: Pick<LocalWrites, "commit">,
        resources: readonly ServedResource[],
        clock: Clock,
    ) {
        this.#source = source;
        this.#writer = writer;
        for (const resource of resources) this.#resources.set(resource.singular, resource);
        this.#floor = clock.nowMs() * VERSIONS_PER_MS;
        this.#revision = this.#floor;
    }

    start(): void {
        this.#stop = this.#source.onChange((name, current, previous) => this.#changed(name, current, previous));
    }

    stop(): void {
        this.#stop();
        for (const window of this.#windows.values()) window.end(false);
    }

    get revision(): number {
        return this.#revision;
    }

    async get(key: ObjectKey): Promise<Stored | undefined> {
        const { items } = await this.list(key, key.namespace === "" ? undefined : key.namespace);
        return items.find(({ object }) => object.metadata.name === key.name);
    }

    async list(collection: Collection, namespace: string | undefined): Promise<Snapshot> {
        const served = this.#servedAs(collection);
        const items = (served === undefined ? [] : this.#source.list(served.singular))
            .filter(({ object }) => namespace === undefined || object.metadata.namespace === namespace)
            .map(({ resource, object }) => this.#stored(resource, object));
        return { items, revision: this.#revision };
    }

    watch(collection: Collection, start: WatchStart): () => void {
        if (start.since > this.#revision) throw expired(`resource version ${start.since} is not of this gateway`);
        return this.#window(collection.plural).watch(start);
    }

    /** With a link in the cluster, without one here. @throws CommitConflict, StatusError, REDGE_STORE_* */
    async commit({ key, next, base, by = "" }: Commit): Promise<Stored> {
        const served = this.#servedAs(key);
        if (served === undefined) throw notFound(key, key.name);
        const name = formatResource(key.namespace, served.singular, key.name);
        const from = this.#source.get(name);
        const current = from === undefined ? undefined : this.#stored(name, from);
        if (current?.revision !== base?.revision) throw new CommitConflict(current);
        try {
            const write = {
                resource: name,
                type: served,
                actor: actorOf(by),
                from,
                next: next && ofCluster(next, from),
            };
            const now = await this.#writer.commit(write);
            return this.#stored(name, now);
        } catch (error) {
            if (!(error instanceof WriteRaced)) throw error;
            const object = this.#source.get(name);
            throw new CommitConflict(object === undefined ? undefined : this.#stored(name, object));
        }
    }

    #changed(name: string, current: KubeObject | undefined, previous: KubeObject | undefined): void {
        const served = this.#resources.get(parseResource(name)?.type ?? "");
        const object = current ?? previous;
        if (served === undefined || object === undefined) return;
        const before = previous === undefined ? undefined : this.#stored(name, previous);
        this.#revision += 1;
        if (current === undefined) this.#versions.delete(name);
        else this.#versions.set(name, this.#revision);
        const type: ChangeType = current === undefined ? "DELETED" : previous === undefined ? "ADDED" : "MODIFIED";
        const stored = new Stored(presented(served, object, this.#revision), this.#revision);
        this.#window(served.plural).push({ type, current: stored, previous: before });
    }

    #stored(name: string, object: KubeObject): Stored {
        const served = this.#resources.get(parseResource(name)?.type ?? "");
        const version = this.#versions.get(name) ?? this.#floor;
        return new Stored(served === undefined ? object : presented(served, object, version), version);
    }

    #servedAs({ group, plural }: Collection): ServedResource | undefined {
        return [...this.#resources.values()].find((one) => one.group === group && one.plural === plural);
    }

    #window(plural: string): EventWindow {
        let window = this.#windows.get(plural);
        if (window === undefined) {
            window = new EventWindow(this.#floor, HISTORY);
            this.#windows.set(plural, window);
        }
        return window;
    }
}

/** "operator", or "serviceaccount:<namespace>:<name>". */
export function actorOf(user: string): string {
    return user.replace(/^system:/, "");
}

/** With the cluster's version in place of this gateway's. */
function ofCluster(object: KubeObject, from: KubeObject | undefined): KubeObject {
    const { resourceVersion: _ours, ...metadata } = object.metadata;
    const version = from?.metadata.resourceVersion;
    return { ...object, metadata: { ...metadata, ...(version === undefined ? {} : { resourceVersion: version }) } };
}

/** With kind and this gateway's version; messages of the cloud may leave the former out. */
function presented(served: ServedResource, object: KubeObject, version: number): KubeObject {
    const metadata = { ...object.metadata, resourceVersion: String(version) };
    return { ...object, apiVersion: apiVersionOf(served), kind: served.kind, metadata };
}
