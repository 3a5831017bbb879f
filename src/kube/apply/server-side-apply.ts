// SPDX-License-Identifier: Apache-2.0
import { isDeepStrictEqual } from "node:util";
import type { Clock } from "../../core/clock.ts";
import { isRecord, type JsonRecord } from "../../core/json.ts";
import { isoSeconds } from "../meta/time.ts";
import { builtinSchema } from "../openapi/builtin.ts";
import { type RawSchema, Schema } from "../openapi/schema.ts";
import type { ObjectService, WriteOptions } from "../rest/objects.ts";
import type { ServedResource } from "../rest/resources.ts";
import { presented } from "../rest/respond.ts";
import { badRequest, conflict, StatusError } from "../rest/status.ts";
import type { Stored } from "../storage/stored.ts";
import { apiVersionOf, type KubeObject } from "../types.ts";
import type { Applier, ApplyTarget, FieldTracker } from "./applier.ts";
import { FieldSet, pathText } from "./field-set.ts";
import { type ManagedEntry, ownable, readManaged, withManaged } from "./managed-fields.ts";
import { compareFields, fieldsOf, mergeApplied, type Place, valueAt, withoutFields } from "./typed-value.ts";

const LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration";
const KUBECTL = "kubectl";
const CLIENT_SIDE = "kubectl-client-side-apply";
const BEFORE_FIRST_APPLY = "before-first-apply";

interface Applying {
    readonly manager: string;
    readonly force: boolean;
}

/**
 * Server-side apply (KEP-555): an applier owns the fields it sends; what it no longer sends goes, what others own is a
 * conflict unless forced. Ownership is booked from an object's first apply on; earlier writes are booked then, under
 * one name.
 */
export class ServerSideApply implements Applier {
    readonly #objects: ObjectService;
    readonly #clock: Clock;

    constructor(objects: ObjectService, clock: Clock) {
        this.#objects = objects;
        this.#clock = clock;
    }

    async apply(
        target: ApplyTarget,
        sent: KubeObject,
        by: Applying,
        options: WriteOptions,
    ): Promise<{ stored: Stored; created: boolean }> {
        const { resource, namespace, name, subresource } = target;
        if (sent.metadata["managedFields"] !== undefined) throw badRequest("metadata.managedFields must be nil");
        sent.metadata.name ??= name;
        if (sent.metadata.name !== name)
            throw badRequest(`name in the object (${sent.metadata.name}) does not match the name on the URL (${name})`);
        const change = (current: KubeObject): KubeObject => this.#merge(target, current, sent, by);
        try {
            return { stored: await this.#objects.update(resource, namespace, name, change, options), created: false };
        } catch (error) {
            const missing = error instanceof StatusError && error.status.code === 404 && subresource === undefined;
            if (!missing || sent.metadata.uid !== undefined) throw error;
        }
        const entry = this.#entry(resource, by.manager, "Apply", undefined, ownable(fieldsOf(sent, placeOf(resource))));
        try {
            return {
                stored: await this.#objects.create(resource, namespace, withManaged(sent, [entry]), options),
                created: true,
            };
        } catch (error) {
            const raced = error instanceof StatusError && error.status.reason === "AlreadyExists";
            if (!raced) throw error;
            return { stored: await this.#objects.update(resource, namespace, name, change, options), created: false };
        }
    }

    async tracker(resource: ServedResource, manager: string, subresource: string | undefined): Promise<FieldTracker> {
        return (stored, next) => {
            const managed = readManaged(stored);
            if (managed.length === 0) return next;
            // An empty list is how a client gives up all booking.
            if (Array.isArray(next.metadata["managedFields"]) && next.metadata["managedFields"].length === 0)
                return withManaged(next, []);
            const sent = readManaged(next);
            const rebooked =
                next.metadata["managedFields"] !== undefined &&
                !isDeepStrictEqual(next.metadata["managedFields"], stored.metadata["managedFields"]);
            const place = placeOf(resource);
            const { changed, removed } = compareFields(presented(resource, stored), next, place);
            const mine = ownable(changed);
            const touched = mine.union(ownable(removed));
            const others = (rebooked ? sent : managed).map((entry) => ({
                ...entry,
                fields: entry.fields.minus(touched),
            }));
            return withManaged(
                next,
                this.#booked(others, resource, { manager, operation: "Update", subresource, fields: mine }),
            );
        };
    }

    #merge(
        { resource, subresource }: ApplyTarget,
        stored: KubeObject,
        sent: KubeObject,
        { manager, force }: Applying,
    ): KubeObject {
        const place = placeOf(resource);
        const live = presented(resource, stored);
        const applied = ownable(fieldsOf(sent, place));
        const managed = this.#managedBefore(resource, live);
        const isMine = (entry: ManagedEntry): boolean =>
            entry.manager === manager && entry.operation === "Apply" && entry.subresource === subresource;
        const mine = managed.find(isMine);
        const others = managed.filter((entry) => !isMine(entry));
        const { managedFields: _booking, ...metadata } = live.metadata;
        const bare = { ...live, metadata };
        const merged = mergeApplied(bare, sent, place) as KubeObject;
        const contested = contestedFields(applied, bare, merged, place);
        // What kubectl applied from the client side is not in its own way.
        const rivals = manager === KUBECTL ? others.filter((entry) => entry.manager !== CLIENT_SIDE) : others;
        if (!force) refuseConflicts(resource, live.metadata.name, rivals, contested);
        const left = others.map((entry) => ({
            ...entry,
            fields: force ? entry.fields.minus(contested) : entry.fields,
        }));
        const owned = left.reduce((all, entry) => all.union(entry.fields), applied);
        const dropped = (mine?.fields ?? new FieldSet()).minus(owned);
        const result = (withoutFields(merged, dropped, place) ?? merged) as KubeObject;
        const entries = [...left, { ...this.#entry(resource, manager, "Apply", subresource, applied) }];
        const unchanged = mine !== undefined && isDeepStrictEqual(mine.fields.toFieldsV1(), applied.toFieldsV1());
        if (unchanged && isDeepStrictEqual(result, bare)) return stored;
        const resourceVersion = sent.metadata.resourceVersion ?? live.metadata.resourceVersion;
        const kept = {
            ...result,
            metadata: { ...result.metadata, ...(resourceVersion === undefined ? {} : { resourceVersion }) },
        };
        return withManaged(kept, entries);
    }

    /**
     * Ownership so far. What kubectl applied from the client side is booked as kubectl's own, under the name by which it
     * looks for it (with the annotation) to take it over; the rest, fields that the server or a controller set among it,
     * is not kubectl's to take away.
     */
    #managedBefore(resource: ServedResource, live: KubeObject): ManagedEntry[] {
        const managed = readManaged(live);
        if (managed.length > 0) return managed;
        const place = placeOf(resource);
        const fields = ownable(fieldsOf(live, place));
        const text = live.metadata.annotations?.[LAST_APPLIED];
        if (text === undefined) return [this.#entry(resource, BEFORE_FIRST_APPLY, "Update", undefined, fields)];
        const applied = fields.and(
            ownable(fieldsOf(parseRecord(text), place)).union(
                fieldsOf({ metadata: { annotations: { [LAST_APPLIED]: text } } }, place),
            ),
        );
        return [
            this.#entry(resource, CLIENT_SIDE, "Update", undefined, applied),
            this.#entry(resource, BEFORE_FIRST_APPLY, "Update", undefined, fields.minus(applied)),
        ];
    }

    #booked(
        others: readonly ManagedEntry[],
        resource: ServedResource,
        {
            manager,
            operation,
            subresource,
            fields,
        }: Pick<ManagedEntry, "manager" | "operation" | "subresource" | "fields">,
    ): ManagedEntry[] {
        const same = (entry: ManagedEntry): boolean =>
            entry.manager === manager && entry.operation === operation && entry.subresource === subresource;
        if (fields.empty) return [...others];
        const before = others.find(same);
        const all = before === undefined ? fields : before.fields.union(fields);
        return [...others.filter((entry) => !same(entry)), this.#entry(resource, manager, operation, subresource, all)];
    }

    #entry(
        resource: ServedResource,
        manager: string,
        operation: ManagedEntry["operation"],
        subresource: string | undefined,
        fields: FieldSet,
    ): ManagedEntry {
        return {
            manager,
            operation,
            apiVersion: apiVersionOf(resource),
            time: isoSeconds(this.#clock.nowMs()),
            subresource,
            fields,
        };
    }
}

const customSchemas = new WeakMap<object, Schema>();

function placeOf(resource: ServedResource): Place {
    if (resource.schema === undefined) return { schema: builtinSchema(resource), raw: undefined };
    let schema = customSchemas.get(resource);
    if (schema === undefined) {
        schema = Schema.of(resource.schema as RawSchema, {});
        customSchemas.set(resource, schema);
    }
    return { schema, raw: undefined };
}

/** Applied fields whose value differs from what is there. */
function contestedFields(applied: FieldSet, live: KubeObject, merged: KubeObject, place: Place): FieldSet {
    const contested = new FieldSet();
    for (const path of applied.paths()) {
        if (path.at(-1)?.startsWith("k:")) continue;
        if (isDeepStrictEqual(valueAt(live, path, place), valueAt(merged, path, place))) continue;
        let set = contested;
        for (const element of path) set = set.child(element);
        set.self = true;
    }
    return contested;
}

function refuseConflicts(
    resource: ServedResource,
    name: string,
    others: readonly ManagedEntry[],
    contested: FieldSet,
): void {
    const causes = others.flatMap((entry) => {
        const using =
            entry.operation === "Update"
                ? ` using ${entry.apiVersion}${entry.time === "" ? "" : ` at ${entry.time}`}`
                : "";
        return [...entry.fields.and(contested).paths()].map((path) => ({
            reason: "FieldManagerConflict",
            message: `conflict with "${entry.manager}"${using}`,
            field: pathText(path),
        }));
    });
    const [first] = causes;
    if (first === undefined) return;
    const text =
        causes.length === 1
            ? `Apply failed with 1 conflict: ${first.message}: ${first.field}`
            : `Apply failed with ${causes.length} conflicts: ${causes.map((cause) => `${cause.message}: ${cause.field}`).join("\n")}`;
    throw conflict(resource, name, text, causes);
}

function parseRecord(text: string): JsonRecord {
    try {
        const value: unknown = JSON.parse(text);
        return isRecord(value) ? value : {};
    } catch {
        // Not ours to judge: an annotation that is no JSON says nothing about ownership.
        return {};
    }
}
