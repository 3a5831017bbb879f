// SPDX-License-Identifier: Apache-2.0
import { sleep } from "../../core/clock.ts";
import type { Component, Ports } from "../../core/component.ts";
import { Emitter } from "../../core/emitter.ts";
import type { KubeObject } from "../types.ts";
import { Backoff } from "./backoff.ts";
import type { KubeClient, ListQuery, WatchEvent } from "./client.ts";
import { type IndexFunction, ObjectIndex } from "./object-index.ts";
import { isGone, statusObjectError } from "./status-error.ts";

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

export interface InformerOptions<T extends KubeObject> {
    readonly cluster: KubeClient;
    /** What to follow; `limit` is the page size. */
    readonly query: Omit<ListQuery, "continueToken">;
    /** Narrows an object where it enters. Absent: `T` is the caller's claim. */
    readonly parse?: (object: KubeObject) => T;
    /** Named functions that give the values by which `byIndex` finds an object. */
    readonly indexes?: Readonly<Record<string, IndexFunction<T>>>;
}

export type InformerPorts = Pick<Ports, "clock" | "random">;

const PAGE_SIZE = 500;
/** A watch that ends sooner than this without an event is a server that refuses by closing: wait before the next. */
const SHORT_WATCH_MS = 1000;

/**
 * Lists, then watches, for as long as it runs: goes on after a closed or reset connection, lists again when the server
 * has forgotten the resource version (410) or the list failed.
 */
export class Informer<T extends KubeObject> extends Emitter<InformerEvents<T>> implements ObjectCache<T>, Component {
    readonly #options: InformerOptions<T>;
    readonly #ports: InformerPorts;
    readonly #objects: ObjectIndex<T>;
    readonly #backoff: Backoff;
    /** Who waits for the first list, by the signal that ends the wait. */
    readonly #waiting = new Map<AbortSignal | undefined, Promise<void>>();
    #run: AbortController | undefined;
    #synced = false;
    /** Where to watch from; undefined: list first. */
    #resourceVersion: string | undefined;
    #whole = false;

    constructor(options: InformerOptions<T>, ports: InformerPorts) {
        super();
        this.#options = options;
        this.#ports = ports;
        this.#objects = new ObjectIndex(options.indexes ?? {});
        this.#backoff = new Backoff(ports.random);
    }

    get synced(): boolean {
        return this.#synced;
    }

    get(namespace: string | undefined, name: string): T | undefined {
        return this.#objects.get(namespace, name);
    }

    list(): readonly T[] {
        return this.#objects.list();
    }

    /** The objects for which the index function of that name gave `value`. */
    byIndex(index: string, value: string): readonly T[] {
        return this.#objects.byIndex(index, value);
    }

    /** Begins to follow; does not wait for the first list (`whenSynced` does). */
    async start(): Promise<void> {
        if (this.#run !== undefined) return;
        this.#run = new AbortController();
        void this.#follow(this.#run.signal);
    }

    /** Nothing is told any more once this was called. The cache keeps what it had. */
    async stop(): Promise<void> {
        this.#run?.abort();
        this.#run = undefined;
    }

    /** Resolves when the first list is complete, or when `signal` aborts. All who give the same signal wait together. */
    whenSynced(signal?: AbortSignal): Promise<void> {
        if (this.#synced || signal?.aborted) return Promise.resolve();
        let waiting = this.#waiting.get(signal);
        if (waiting === undefined) {
            waiting = new Promise((resolve) => {
                const done = (): void => {
                    off();
                    signal?.removeEventListener("abort", done);
                    this.#waiting.delete(signal);
                    resolve();
                };
                const off = this.on("synced", done);
                signal?.addEventListener("abort", done, { once: true });
            });
            this.#waiting.set(signal, waiting);
        }
        return waiting;
    }

    async #follow(signal: AbortSignal): Promise<void> {
        while (!signal.aborted) {
            const step = this.#resourceVersion === undefined ? this.#list(signal) : this.#watch(signal);
            const outcome = await step.catch((failure: unknown) => new Failed(failure));
            if (signal.aborted) return;
            if (outcome instanceof Failed) await this.#recover(outcome.failure, signal);
        }
    }

    async #recover(failure: unknown, signal: AbortSignal): Promise<void> {
        if (isGone(failure)) {
            // A list whose pages expired half way would expire again: take it in one piece.
            this.#whole = this.#resourceVersion === undefined;
            this.#resourceVersion = undefined;
            if (this.#backoff.failures === 0) {
                this.#backoff.nextMs();
                return;
            }
        }
        const delayMs = this.#backoff.nextMs();
        this.#tell("trouble", asError(failure));
        await sleep(this.#ports.clock, delayMs, signal);
    }

    async #list(signal: AbortSignal): Promise<void> {
        const { cluster, query } = this.#options;
        const limit = this.#whole ? undefined : (query.limit ?? PAGE_SIZE);
        const found: KubeObject[] = [];
        let continueToken: string | undefined;
        let resourceVersion: string | undefined;
        do {
            const page = await unlessAborted(cluster.list({ ...query, limit, continueToken }), signal);
            if (page === undefined) return;
            found.push(...page.items);
            resourceVersion = page.metadata.resourceVersion;
            continueToken = page.metadata.continue === "" ? undefined : page.metadata.continue;
        } while (continueToken !== undefined);
        this.#whole = false;
        this.#replaceAll(found.flatMap(this.#parse), signal);
        if (signal.aborted) return;
        this.#resourceVersion = resourceVersion ?? "0";
        if (!this.#synced) {
            this.#synced = true;
            this.#tell("synced");
        }
    }

    async #watch(signal: AbortSignal): Promise<void> {
        const { cluster, query } = this.#options;
        const { limit: _, ...selection } = query;
        const resourceVersion = this.#resourceVersion ?? "0";
        const startedMs = this.#ports.clock.monotonicMs();
        let events = 0;
        for await (const event of cluster.watch({ ...selection, resourceVersion }, signal)) {
            if (signal.aborted) return;
            if (event.type === "ERROR") throw statusObjectError(event.object);
            events += 1;
            this.#backoff.reset();
            this.#apply(event);
        }
        if (signal.aborted) return;
        if (this.#ports.clock.monotonicMs() - startedMs >= SHORT_WATCH_MS) this.#backoff.reset();
        else if (events === 0) await sleep(this.#ports.clock, this.#backoff.nextMs(), signal);
    }

    #apply(event: WatchEvent): void {
        const version = event.object.metadata.resourceVersion;
        if (event.type === "BOOKMARK") {
            this.#resourceVersion = version ?? this.#resourceVersion;
            return;
        }
        this.#resourceVersion = version ?? this.#resourceVersion;
        for (const object of this.#parse(event.object)) {
            if (event.type === "DELETED") this.#remove(object);
            else this.#put(object);
        }
    }

    /** One object that cannot be read is reported and left out; it must not keep all others from being seen. */
    readonly #parse = (object: KubeObject): readonly T[] => {
        try {
            return [this.#options.parse?.(object) ?? (object as T)];
        } catch (failure) {
            this.#tell("trouble", asError(failure));
            return [];
        }
    };

    /** A listener that throws is its own defect: it surfaces as an uncaught exception and the informer goes on. */
    #tell<Name extends keyof InformerEvents<T>>(name: Name, ...args: InformerEvents<T>[Name]): void {
        try {
            this.emit(name, ...args);
        } catch (failure) {
            queueMicrotask(() => {
                throw failure;
            });
        }
    }

    #replaceAll(objects: readonly T[], signal: AbortSignal): void {
        const listed = new Set(objects.map((object) => this.#objects.key(object)));
        for (const known of this.#objects.list()) {
            if (!listed.has(this.#objects.key(known)) && !signal.aborted) this.#remove(known);
        }
        for (const object of objects) if (!signal.aborted) this.#put(object);
    }

    #put(object: T): void {
        const previous = this.#objects.get(object.metadata.namespace, object.metadata.name);
        if (previous === undefined) {
            this.#objects.put(object);
            this.#tell("add", object);
            return;
        }
        if (previous.metadata.uid !== object.metadata.uid) {
            // Deleted and made again while nobody was watching.
            this.#remove(previous);
            this.#objects.put(object);
            this.#tell("add", object);
            return;
        }
        if (previous.metadata.resourceVersion === object.metadata.resourceVersion) return;
        this.#objects.put(object);
        this.#tell("update", object, previous);
    }

    #remove(object: T): void {
        const { namespace, name } = object.metadata;
        if (this.#objects.get(namespace, name) === undefined) return;
        this.#objects.delete(namespace, name);
        this.#tell("delete", object);
    }
}

function asError(thrown: unknown): Error {
    return thrown instanceof Error ? thrown : new Error(String(thrown));
}

class Failed {
    readonly failure: unknown;

    constructor(failure: unknown) {
        this.failure = failure;
    }
}

/** The result, or undefined as soon as the signal aborts; a failure after that is of no interest to anybody. */
function unlessAborted<R>(work: Promise<R>, signal: AbortSignal): Promise<R | undefined> {
    return new Promise((resolve, reject) => {
        const abort = (): void => resolve(undefined);
        signal.addEventListener("abort", abort, { once: true });
        work.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
    });
}
