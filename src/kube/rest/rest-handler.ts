// SPDX-License-Identifier: Apache-2.0
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Attributes, Authorizer, User } from "../authz/user.ts";
import { addWarning, isTrue, type RestContext } from "./context.ts";
import { aggregated, aggregatedVersion, apiGroup, apiGroupList, apiResourceList, apiVersions } from "./discovery.ts";
import { parseResourcePath, type ResourcePath } from "./request-info.ts";
import type { ResourceHandler, ResourceRequest } from "./resource-handler.ts";
import type { ResourceTable, ServedResource } from "./resources.ts";
import { sendError, sendJson, sendValue } from "./respond.ts";
import { forbidden, methodNotAllowed, noSuchPath, notFound, StatusError } from "./status.ts";

/** Answers one subresource ("pods/log") or a resource that is a question rather than an object. */
export type Connector = (request: ResourceRequest) => Promise<void>;

/** Answers a path outside /api and /apis. */
export type PathHandler = (context: RestContext) => Promise<void>;

export interface RestHandlerPorts {
    readonly table: ResourceTable;
    readonly resources: Pick<ResourceHandler, "handle">;
    readonly authenticate: (request: IncomingMessage) => Promise<User>;
    readonly authorizer: Authorizer;
    /** By "<group>/<plural>" or "<group>/<plural>/<subresource>". */
    readonly connectors: ReadonlyMap<string, Connector>;
    /** By path; the longest prefix that ends at a slash or the end wins. */
    readonly paths: ReadonlyMap<string, PathHandler>;
}

const METHOD_VERBS: Readonly<Record<string, string>> = {
    POST: "create",
    PUT: "update",
    PATCH: "patch",
    DELETE: "delete",
    GET: "get",
    HEAD: "get",
};

/** Turns HTTP requests into answers: who asks, what for, may they, and who answers it. */
export class RestHandler {
    readonly #ports: RestHandlerPorts;
    #aggregated: { readonly generation: number; readonly texts: Map<string, string> } | undefined;

    constructor(ports: RestHandlerPorts) {
        this.#ports = ports;
    }

    /** Never rejects: failures are answered as metav1.Status. `user` is who asks, where that is known already. */
    async handle(request: IncomingMessage, response: ServerResponse, user?: User): Promise<void> {
        try {
            await this.#route(request, response, user ?? (await this.#ports.authenticate(request)));
        } catch (error) {
            sendError(response, error);
        }
    }

    async #route(request: IncomingMessage, response: ServerResponse, user: User): Promise<void> {
        const { pathname, searchParams } = new URL(request.url ?? "/", "http://localhost");
        const context: RestContext = { request, response, pathname, query: searchParams, user };
        const path = parseResourcePath(pathname);
        if (path === undefined) {
            const verb = (METHOD_VERBS[request.method ?? "GET"] ?? "get").toLowerCase();
            await this.#authorize({
                user,
                verb,
                group: "",
                resource: undefined,
                namespace: undefined,
                name: undefined,
                path: pathname,
            });
            return this.#servePath(context);
        }
        const verb = verbOf(context, path);
        const resource = path.subresource === undefined ? path.plural : `${path.plural}/${path.subresource}`;
        const { group, namespace, name } = path;
        await this.#authorize({ user, verb, group, resource, namespace, name, path: pathname });
        const served = this.#ports.table.get(path.group, path.version, path.plural);
        if (served === undefined) throw noSuchPath();
        if (served.deprecationWarning !== undefined) addWarning(response, served.deprecationWarning);
        await this.#serveResource({ context, path, resource: served, verb });
    }

    async #authorize(attributes: Attributes): Promise<void> {
        const reason = await this.#ports.authorizer.refuse(attributes);
        if (reason === undefined) return;
        const { user, verb, group, resource, namespace, name, path } = attributes;
        if (resource === undefined) {
            throw new StatusError(
                403,
                "Forbidden",
                `forbidden: User "${user.name}" cannot ${verb} path "${path}"${reason}`,
                {},
            );
        }
        const where = namespace === undefined ? "at the cluster scope" : `in the namespace "${namespace}"`;
        throw forbidden(
            { group, plural: resource.split("/")[0] ?? resource },
            name ?? "",
            `User "${user.name}" cannot ${verb} resource "${resource}" in API group "${group}" ${where}${reason}`,
        );
    }

    async #serveResource(request: ResourceRequest): Promise<void> {
        const { path, resource, verb, context } = request;
        const base = `${path.group}/${path.plural}`;
        if (path.subresource !== undefined) {
            const sub = resource.subresources.find((one) => one.name === path.subresource);
            if (sub === undefined) throw noSuchPath();
            const connector =
                this.#ports.connectors.get(`${base}/${path.subresource}`) ??
                this.#ports.connectors.get(`*/${path.subresource}`);
            if (connector !== undefined) return connector(request);
            if (!sub.verbs.includes(verb)) throw methodNotAllowed();
            return this.#ports.resources.handle(request);
        }
        const connector = this.#ports.connectors.get(base);
        if (connector !== undefined) return connector(request);
        this.#checkScope(path, resource);
        if (!(resource.verbs as readonly string[]).includes(verb) || context.request.method === "OPTIONS")
            throw methodNotAllowed();
        await this.#ports.resources.handle(request);
    }

    #checkScope({ namespace, name }: ResourcePath, resource: ServedResource): void {
        if (!resource.namespaced && namespace !== undefined) throw noSuchPath();
        if (resource.namespaced && namespace === undefined && name !== undefined) throw notFound(resource, name);
    }

    async #servePath(context: RestContext): Promise<void> {
        const { pathname, response, request } = context;
        const handler = this.#ports.paths.get(pathname.replace(/(.)\/$/, "$1")) ?? this.#prefixHandler(pathname);
        if (handler !== undefined) return handler(context);
        if (request.method !== "GET" && request.method !== "HEAD") throw methodNotAllowed();
        const [root, group, version, more] = pathname.split("/").filter((part) => part !== "");
        const { table } = this.#ports;
        let body: unknown;
        if (root === "api" && group === undefined) return this.#sendDiscovery(context, true);
        if (root === "apis" && group === undefined) return this.#sendDiscovery(context, false);
        if (root === "api" && version === undefined) body = apiResourceList(table, "", group ?? "");
        if (root === "apis" && version === undefined) body = apiGroup(table, group ?? "");
        if (root === "apis" && version !== undefined && more === undefined)
            body = apiResourceList(table, group ?? "", version);
        if (body === undefined) throw noSuchPath();
        sendValue(response, 200, body);
    }

    #prefixHandler(pathname: string): PathHandler | undefined {
        for (let end = pathname.lastIndexOf("/"); end > 0; end = pathname.lastIndexOf("/", end - 1)) {
            const handler = this.#ports.paths.get(`${pathname.slice(0, end)}/*`);
            if (handler !== undefined) return handler;
        }
        return undefined;
    }

    #sendDiscovery({ request, response }: RestContext, core: boolean): void {
        const { table } = this.#ports;
        const version = aggregatedVersion(request.headers.accept);
        if (version === undefined) {
            sendValue(response, 200, core ? apiVersions() : apiGroupList(table));
            return;
        }
        if (this.#aggregated?.generation !== table.generation) {
            this.#aggregated = { generation: table.generation, texts: new Map() };
        }
        const key = `${core}/${version}`;
        const text = this.#aggregated.texts.get(key) ?? JSON.stringify(aggregated(table, core, version));
        this.#aggregated.texts.set(key, text);
        const body = Buffer.from(text);
        response.writeHead(200, {
            "Content-Type": `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`,
            "Content-Length": body.length,
            Vary: "Accept",
        });
        response.end(body);
    }
}

function verbOf({ request, query }: RestContext, path: ResourcePath): string {
    const verb = METHOD_VERBS[request.method ?? "GET"] ?? "";
    const watching = path.watch || (query.has("watch") && isTrue(query.get("watch")));
    if (path.subresource !== undefined) return verb;
    if (verb === "get") {
        if (watching) return "watch";
        return path.name === undefined ? "list" : "get";
    }
    return verb === "delete" && path.name === undefined ? "deletecollection" : verb;
}

/** A handler that always answers the same JSON. */
export function fixedJson(value: unknown): PathHandler {
    const text = JSON.stringify(value);
    return async ({ response }) => sendJson(response, 200, text);
}

/** A handler that answers plain text. */
export function plainText(text: () => string): PathHandler {
    return async ({ response }) => {
        response.writeHead(200, { "Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff" });
        response.end(text());
    };
}
