// SPDX-License-Identifier: Apache-2.0
import { randomUUID } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import type { Clock } from "../../core/clock.ts";
import { cloneJson } from "../../core/clone.ts";
import { isoSeconds } from "../meta/time.ts";
import { CommitConflict, type ObjectKey, type ObjectRegistry } from "../storage/registry.ts";
import { Stored } from "../storage/stored.ts";
import { apiVersionOf, type KubeObject } from "../types.ts";
import { type DeleteRequest, deletionOf } from "./deletion.ts";
import { collectionOf, type ServedResource, type WriteContext } from "./resources.ts";
import {
    alreadyExists,
    badRequest,
    conflict,
    type FieldError,
    invalid,
    MODIFIED_MEANWHILE,
    notFound,
} from "./status.ts";
import { desiredStateChanged, dropEmptyMetadata, mergeForUpdate, validateMetadata } from "./write-rules.ts";

export interface WriteOptions {
    readonly user: string;
    readonly dryRun: boolean;
    readonly subresource?: string | undefined;
    /** The subresource's handler checked the change itself: the kind's update rules do not apply. */
    readonly trusted?: boolean | undefined;
    /** What to do with fields the schema does not know. */
    readonly fieldValidation: "Strict" | "Warn" | "Ignore";
    readonly warn: (text: string) => void;
}

export interface ObjectServicePorts {
    readonly registry: ObjectRegistry;
    readonly clock: Clock;
    readonly random: () => number;
    /** Refuses a create that the rest of the cluster does not allow (namespace missing or terminating). */
    readonly admitCreate: (resource: ServedResource, object: KubeObject) => Promise<void>;
}

export interface DeleteOutcome {
    readonly stored: Stored;
    /** Gone from the registry; otherwise it waits for its finalizers or its grace period. */
    readonly removed: boolean;
}

const RETRIES = 20;
const SUFFIX_LETTERS = "bcdfghjklmnpqrstvwxz2456789";
const SUFFIX_LENGTH = 5;
const MAX_GENERATED_PREFIX = 253 - SUFFIX_LENGTH;

/** Create, update and delete with the rules that hold for every kind, over any registry. */
export class ObjectService {
    readonly #ports: ObjectServicePorts;

    constructor(ports: ObjectServicePorts) {
        this.#ports = ports;
    }

    key(resource: ServedResource, namespace: string | undefined, name: string): ObjectKey {
        const { group, plural } = collectionOf(resource);
        return { group, plural, namespace: resource.namespaced ? (namespace ?? "") : "", name };
    }

    /** @throws 404 */
    async get(resource: ServedResource, namespace: string | undefined, name: string): Promise<Stored> {
        const stored = await this.#ports.registry.get(this.key(resource, namespace, name));
        if (stored === undefined) throw notFound(resource, name);
        return stored;
    }

    async create(
        resource: ServedResource,
        namespace: string | undefined,
        sent: KubeObject,
        options: WriteOptions,
    ): Promise<Stored> {
        const object = this.#absorb(resource, sent);
        const { metadata } = object;
        if (resource.namespaced) metadata.namespace = namespace ?? metadata.namespace ?? "default";
        else delete metadata.namespace;
        if (metadata.resourceVersion !== undefined && metadata.resourceVersion !== "") {
            throw badRequest("resourceVersion should not be set on objects to be created");
        }
        if (!metadata.name && metadata.generateName) metadata.name = this.#generateName(metadata.generateName);
        const context = this.#context(options);
        this.#checkFields(resource, object, options);
        metadata.uid = randomUUID();
        metadata.creationTimestamp = context.nowIso;
        for (const key of [
            "resourceVersion",
            "selfLink",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
            "generation",
        ])
            delete metadata[key];
        if (resource.hasGeneration) metadata.generation = 1;
        if (resource.hasStatus && resource.bornWithStatus !== true) delete object["status"];
        dropEmptyMetadata(object);
        resource.strategy.default?.(object);
        await this.#ports.admitCreate(resource, object);
        await resource.strategy.prepareCreate?.(object, context);
        this.#validate(resource, object, undefined);
        const key = this.key(resource, metadata.namespace, metadata.name);
        if (options.dryRun) {
            if ((await this.#ports.registry.get(key)) !== undefined) throw alreadyExists(resource, metadata.name);
            return new Stored(object, 0);
        }
        try {
            return await this.#ports.registry.commit({ key, next: object, base: undefined, by: options.user });
        } catch (error) {
            if (error instanceof CommitConflict) throw alreadyExists(resource, metadata.name);
            throw error;
        }
    }

    /**
     * Reads, lets `change` make the next state from the current one, and commits; again when somebody else was faster
     * and the sent object named no version.
     */
    async update(
        resource: ServedResource,
        namespace: string | undefined,
        name: string,
        change: (current: KubeObject) => KubeObject | Promise<KubeObject>,
        options: WriteOptions,
    ): Promise<Stored> {
        const key = this.key(resource, namespace, name);
        for (let attempt = 0; attempt < RETRIES; attempt += 1) {
            const current = await this.get(resource, namespace, name);
            const sent = await change(current.object);
            const next = await this.#nextState(resource, current.object, sent, options);
            if (isDeepStrictEqual(next, current.object)) return current;
            if (options.dryRun) return new Stored(next, current.revision);
            const finished = next.metadata.deletionTimestamp !== undefined && isFinished(resource, next);
            try {
                return await this.#ports.registry.commit({
                    key,
                    next: finished ? undefined : next,
                    base: finished ? new Stored(next, current.revision) : current,
                    by: options.user,
                });
            } catch (error) {
                if (!(error instanceof CommitConflict)) throw error;
                // Tried again: a change that names the version it was made from is refused by mergeForUpdate.
            }
        }
        throw conflict(resource, name, MODIFIED_MEANWHILE);
    }

    async delete(
        resource: ServedResource,
        namespace: string | undefined,
        name: string,
        request: DeleteRequest,
        options: WriteOptions,
    ): Promise<DeleteOutcome> {
        const key = this.key(resource, namespace, name);
        for (let attempt = 0; attempt < RETRIES; attempt += 1) {
            const current = await this.get(resource, namespace, name);
            const next = deletionOf(resource, current.object, request, this.#ports.clock.nowMs());
            if (next === current.object) return { stored: current, removed: false };
            if (options.dryRun) return { stored: current, removed: next === undefined };
            try {
                const stored = await this.#ports.registry.commit({ key, next, base: current, by: options.user });
                return { stored, removed: next === undefined };
            } catch (error) {
                if (!(error instanceof CommitConflict)) throw error;
            }
        }
        throw conflict(resource, name, MODIFIED_MEANWHILE);
    }

    async #nextState(
        resource: ServedResource,
        current: KubeObject,
        sent: KubeObject,
        options: WriteOptions,
    ): Promise<KubeObject> {
        const { subresource } = options;
        const next = mergeForUpdate(resource, current, this.#absorb(resource, sent), subresource);
        this.#checkFields(resource, next, options);
        dropEmptyMetadata(next);
        resource.strategy.default?.(next);
        if (options.trusted !== true) await resource.strategy.prepareUpdate?.(next, current, this.#context(options));
        if (resource.hasGeneration && desiredStateChanged(resource, current, next)) {
            next.metadata.generation = (current.metadata.generation ?? 0) + 1;
        }
        this.#validate(resource, next, current);
        return next;
    }

    #validate(resource: ServedResource, object: KubeObject, current: KubeObject | undefined): void {
        const errors: FieldError[] =
            current === undefined || metadataChanged(object, current) ? validateMetadata(resource, object) : [];
        errors.push(...(resource.strategy.validate?.(object, current) ?? []));
        if (errors.length > 0) throw invalid(resource, object.metadata.name ?? "", errors);
    }

    #checkFields(resource: ServedResource, object: KubeObject, { fieldValidation, warn }: WriteOptions): void {
        const unknown = resource.strategy.decode?.(object) ?? [];
        if (unknown.length === 0 || fieldValidation === "Ignore") return;
        const texts = unknown.map((field) => `unknown field "${field}"`);
        if (fieldValidation === "Strict") {
            const { kind, version } = resource;
            throw badRequest(
                `${kind} in version "${version}" cannot be handled as a ${kind}: strict decoding error: ${texts.join(", ")}`,
            );
        }
        for (const text of texts) warn(text);
    }

    /** A copy in the stored form. Deep, since strategies fill it in place. */
    #absorb(resource: ServedResource, sent: KubeObject): KubeObject {
        if (sent.apiVersion !== apiVersionOf(resource) || sent.kind !== resource.kind) {
            throw badRequest(
                `the API version in the data (${sent.apiVersion}, Kind=${sent.kind}) does not match the expected API version (${apiVersionOf(resource)}, Kind=${resource.kind})`,
            );
        }
        const copy = cloneJson(sent);
        return resource.absorb?.(copy) ?? copy;
    }

    #generateName(prefix: string): string {
        let suffix = "";
        for (let at = 0; at < SUFFIX_LENGTH; at += 1) {
            suffix += SUFFIX_LETTERS[Math.floor(this.#ports.random() * SUFFIX_LETTERS.length)] ?? "x";
        }
        return prefix.slice(0, MAX_GENERATED_PREFIX) + suffix;
    }

    #context({ user, dryRun, subresource }: WriteOptions): WriteContext {
        return { user, dryRun, subresource, nowIso: isoSeconds(this.#ports.clock.nowMs()), random: this.#ports.random };
    }
}

const metadataChanged = (object: KubeObject, current: KubeObject): boolean =>
    !isDeepStrictEqual(object.metadata, current.metadata);

/** A deleted object whose last finalizer went away; pods also wait for their grace period, namespaces for theirs. */
function isFinished(resource: ServedResource, object: KubeObject): boolean {
    if ((object.metadata.finalizers ?? []).length > 0) return false;
    if (resource.plural === "namespaces" && resource.group === "") {
        const { finalizers } = (object["spec"] ?? {}) as { finalizers?: unknown[] };
        return (finalizers ?? []).length === 0;
    }
    return (object.metadata.deletionGracePeriodSeconds ?? 0) === 0;
}
