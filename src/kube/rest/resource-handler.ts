// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "../../core/clock.ts";
import { isRecord } from "../../core/json.ts";
import type { Applier } from "../apply/applier.ts";
import type { ObjectReader } from "../storage/registry.ts";
import { apiVersionOf, type KubeObject } from "../types.ts";
import { asKubeObject, mediaTypeOf, parseText, readBody } from "./body.ts";
import { isTrue, type RestContext, writeOptions } from "./context.ts";
import { type DeleteRequest, readDeleteRequest } from "./deletion.ts";
import { ListPages, readSelection } from "./list.ts";
import { negotiate } from "./negotiate.ts";
import type { ObjectService, WriteOptions } from "./objects.ts";
import { PATCH_TYPES, patchObject } from "./patching.ts";
import type { ResourcePath } from "./request-info.ts";
import type { ServedResource } from "./resources.ts";
import { presented, type Shape, sendList, sendObject, sendValue } from "./respond.ts";
import { badRequest, methodNotAllowed } from "./status.ts";
import { serveWatch } from "./watch.ts";

export interface ResourceRequest {
    readonly context: RestContext;
    readonly path: ResourcePath;
    readonly resource: ServedResource;
    readonly verb: string;
}

export interface ResourceHandlerPorts {
    readonly reader: ObjectReader;
    readonly objects: ObjectService;
    readonly applier: Applier | undefined;
    readonly clock: Clock;
}

/** The verbs every resource has, on collections, objects and their status. */
export class ResourceHandler {
    readonly #ports: ResourceHandlerPorts;
    readonly #pages = new ListPages();

    constructor(ports: ResourceHandlerPorts) {
        this.#ports = ports;
    }

    async handle(request: ResourceRequest): Promise<void> {
        switch (request.verb) {
            case "get":
                return this.#get(request);
            case "list":
                return this.#list(request);
            case "watch":
                return this.#watch(request);
            case "create":
                return this.#create(request);
            case "update":
                return this.#update(request);
            case "patch":
                return this.#patch(request);
            case "delete":
                return this.#delete(request);
            case "deletecollection":
                return this.#deleteCollection(request);
            default:
                throw methodNotAllowed();
        }
    }

    async #get({ context, path, resource }: ResourceRequest): Promise<void> {
        const stored = await this.#ports.objects.get(resource, path.namespace, path.name ?? "");
        await sendObject(context.response, 200, stored, this.#shape(context, resource));
    }

    async #list({ context, path, resource }: ResourceRequest): Promise<void> {
        const selection = readSelection(resource, path.namespace, context.query);
        const { items, meta } = await this.#pages.page(this.#ports.reader, resource, selection, context.query);
        await sendList(context.response, items, meta, this.#shape(context, resource));
    }

    async #watch({ context, path, resource }: ResourceRequest): Promise<void> {
        const selection = readSelection(resource, path.namespace, context.query, path.name);
        const { reader, clock } = this.#ports;
        await serveWatch({ context, reader, clock, selection, shape: this.#shape(context, resource) });
    }

    async #create({ context, path, resource }: ResourceRequest): Promise<void> {
        // A subresource that is posted to has a handler of its own and does not come here.
        if (path.name !== undefined) throw methodNotAllowed();
        const object = await readObject(context, resource);
        if (resource.namespaced && path.namespace === undefined)
            throw badRequest("an empty namespace may not be set during creation");
        checkNamespace(path, object);
        const stored = await this.#ports.objects.create(resource, path.namespace, object, writeOptions(context));
        await sendObject(context.response, 201, stored, this.#shape(context, resource));
    }

    async #update({ context, path, resource }: ResourceRequest): Promise<void> {
        const sent = await readObject(context, resource);
        const name = path.name ?? "";
        if (sent.metadata.name === undefined || sent.metadata.name === "") sent.metadata.name = name;
        checkName(path, sent);
        checkNamespace(path, sent);
        const options = this.#options(context, path);
        const track = await this.#ports.applier?.tracker(resource, managerOf(context), path.subresource);
        const change = (current: KubeObject): KubeObject => track?.(current, sent) ?? sent;
        const stored = await this.#ports.objects.update(resource, path.namespace, name, change, options);
        await sendObject(context.response, 200, stored, this.#shape(context, resource));
    }

    async #patch(request: ResourceRequest): Promise<void> {
        const { context, path, resource } = request;
        const mediaType = mediaTypeOf(context.request);
        const patch = await parseText(await readBody(context.request), mediaType);
        if (mediaType === PATCH_TYPES.apply) return this.#apply(request, patch);
        const options = this.#options(context, path);
        const track = await this.#ports.applier?.tracker(resource, managerOf(context), path.subresource);
        const change = (current: KubeObject): KubeObject => {
            const next = patchObject(resource, presented(resource, current), patch, mediaType);
            checkName(path, next);
            return track?.(current, next) ?? next;
        };
        const stored = await this.#ports.objects.update(resource, path.namespace, path.name ?? "", change, options);
        await sendObject(context.response, 200, stored, this.#shape(context, resource));
    }

    async #apply({ context, path, resource }: ResourceRequest, patch: unknown): Promise<void> {
        const manager = context.query.get("fieldManager");
        if (this.#ports.applier === undefined) throw methodNotAllowed();
        if (!manager)
            throw badRequest(
                "PatchOptions.meta.k8s.io is invalid: fieldManager: Required value: is required for apply patch",
            );
        const sent = asKubeObject(patch);
        checkNamespace(path, sent);
        const force = context.query.has("force") && isTrue(context.query.get("force"));
        const outcome = await this.#ports.applier.apply(
            { resource, namespace: path.namespace, name: path.name ?? "", subresource: path.subresource },
            sent,
            { manager, force },
            this.#options(context, path),
        );
        await sendObject(context.response, outcome.created ? 201 : 200, outcome.stored, this.#shape(context, resource));
    }

    async #delete({ context, path, resource }: ResourceRequest): Promise<void> {
        const request = await this.#deleteRequest(context);
        const options = writeOptions(context);
        const { stored, removed } = await this.#ports.objects.delete(
            resource,
            path.namespace,
            path.name ?? "",
            request,
            options,
        );
        if (!removed || resource.plural === "pods") {
            await sendObject(context.response, 200, stored, this.#shape(context, resource));
            return;
        }
        const { name, uid } = stored.object.metadata;
        const details = {
            name,
            ...(resource.group === "" ? {} : { group: resource.group }),
            kind: resource.plural,
            uid,
        };
        sendValue(context.response, 200, {
            kind: "Status",
            apiVersion: "v1",
            metadata: {},
            status: "Success",
            details,
        });
    }

    async #deleteCollection({ context, path, resource }: ResourceRequest): Promise<void> {
        const request = await this.#deleteRequest(context);
        const selection = readSelection(resource, path.namespace, context.query);
        const { items, meta } = await this.#pages.page(this.#ports.reader, resource, selection, context.query);
        const options = writeOptions(context);
        await Promise.all(
            items.map(async ({ object: { metadata } }) => {
                try {
                    await this.#ports.objects.delete(resource, metadata.namespace, metadata.name, request, options);
                } catch (error) {
                    if (!isGoneAlready(error)) throw error;
                }
            }),
        );
        await sendList(context.response, items, meta, this.#shape(context, resource));
    }

    async #deleteRequest(context: RestContext): Promise<DeleteRequest> {
        const body = await readBody(context.request);
        const sent = body.length === 0 ? undefined : await parseText(body, mediaTypeOf(context.request));
        return readDeleteRequest(sent, context.query);
    }

    #options(context: RestContext, path: ResourcePath): WriteOptions {
        return writeOptions(context, { subresource: path.subresource });
    }

    #shape(context: RestContext, resource: ServedResource): Shape {
        return shapeOf(context, resource, this.#ports.clock.nowMs());
    }
}

export function shapeOf({ request, query }: RestContext, resource: ServedResource, nowMs: number): Shape {
    const includeObject = query.get("includeObject") ?? "Metadata";
    if (includeObject !== "Metadata" && includeObject !== "Object" && includeObject !== "None") {
        throw badRequest(`includeObject "${includeObject}": Metadata, Object or None`);
    }
    return { resource, accepted: negotiate(request.headers.accept), includeObject, nowMs };
}

export async function readObject({ request }: RestContext, resource: ServedResource): Promise<KubeObject> {
    const value = await parseText(await readBody(request), mediaTypeOf(request));
    const kinded = isRecord(value) ? { apiVersion: apiVersionOf(resource), kind: resource.kind, ...value } : value;
    return asKubeObject(kinded);
}

function checkName({ name = "" }: ResourcePath, { metadata }: KubeObject): void {
    if (metadata.name === name) return;
    throw badRequest(`the name of the object (${metadata.name}) does not match the name on the URL (${name})`);
}

function checkNamespace({ namespace }: ResourcePath, { metadata }: KubeObject): void {
    if (namespace !== undefined && metadata.namespace && metadata.namespace !== namespace) {
        throw badRequest(`the namespace of the provided object does not match the namespace sent on the request`);
    }
}

/** Who the change is booked under: the query, else the program's name as it introduces itself. */
export function managerOf({ query, request }: RestContext): string {
    return query.get("fieldManager") || (request.headers["user-agent"] ?? "unknown").split("/")[0] || "unknown";
}

const isGoneAlready = (error: unknown): boolean =>
    typeof error === "object" &&
    error !== null &&
    "status" in error &&
    (error.status as { code?: number }).code === 404;
