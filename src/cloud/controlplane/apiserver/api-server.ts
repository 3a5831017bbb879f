// SPDX-License-Identifier: Apache-2.0
import { type IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import type { Component, Ports } from "../../../core/component.ts";
import { errorText, RedgeError } from "../../../core/errors/redge-error.ts";
import { ServerSideApply } from "../../../kube/apply/server-side-apply.ts";
import { RbacAuthorizer } from "../../../kube/authz/rbac.ts";
import type { User } from "../../../kube/authz/user.ts";
import { builtinResources } from "../../../kube/builtin/resources.ts";
import type { ApiTransport } from "../../../kube/client/transport.ts";
import { openApiHandlers } from "../../../kube/openapi/handlers.ts";
import { LocalTransport } from "../../../kube/rest/local-transport.ts";
import { ObjectService } from "../../../kube/rest/objects.ts";
import { parseResourcePath } from "../../../kube/rest/request-info.ts";
import { ResourceHandler } from "../../../kube/rest/resource-handler.ts";
import { ResourceTable } from "../../../kube/rest/resources.ts";
import { sendError } from "../../../kube/rest/respond.ts";
import { fixedJson, type PathHandler, plainText, RestHandler } from "../../../kube/rest/rest-handler.ts";
import { forbidden, noSuchPath } from "../../../kube/rest/status.ts";
import { DocumentRegistry } from "../../../kube/storage/document-registry.ts";
import type { DocumentStore } from "../../../store/store.ts";
import { metricsResources } from "../../shared/resource-metrics.ts";
import { Authenticator } from "./authenticator.ts";
import { clusterStrategies, namespaceAdmission } from "./cluster-rules.ts";
import { connectors } from "./connectors.ts";
import { CustomResources } from "./custom-resources.ts";
import { KubeletProxy } from "./kubelet-proxy.ts";
import type { Pki } from "./pki.ts";
import { streamPath } from "./pod-subresources.ts";
import { ServiceAccountTokens } from "./service-account-tokens.ts";

export interface ApiServerConfig {
    readonly host: string;
    /** 0 takes a free one. */
    readonly port: number;
    readonly pki: Pki;
}

/** What is told as the version of Kubernetes whose API this is. */
const VERSION = {
    major: "1",
    minor: "32",
    gitVersion: "v1.32.0+redge",
    gitCommit: "",
    gitTreeState: "clean",
    buildDate: "1970-01-01T00:00:00Z",
    goVersion: "",
    compiler: "",
    platform: `${process.platform}/${process.arch}`,
};
const STREAMS = new Set(["exec", "attach", "portforward"]);
const STOP_GRACE_MS = 500;

/** The Kubernetes API over TLS, kept in a DocumentStore. */
export class ApiServer implements Component {
    readonly #config: ApiServerConfig;
    readonly #ports: Ports & { readonly store: DocumentStore };
    readonly #registry: DocumentRegistry;
    readonly #table = new ResourceTable();
    readonly #kubelet: KubeletProxy;
    readonly #authenticator: Authenticator;
    readonly #authorizer: RbacAuthorizer;
    readonly #handler: RestHandler;
    readonly #custom: CustomResources;
    readonly #objects: ObjectService;
    #server: Server | undefined;

    constructor(config: ApiServerConfig, ports: Ports & { readonly store: DocumentStore }) {
        const { clock, random, store, log } = ports;
        this.#config = config;
        this.#ports = ports;
        const registry = new DocumentRegistry(store);
        this.#registry = registry;
        this.#kubelet = new KubeletProxy(registry, config.pki.kubeletClient);
        const tokens = new ServiceAccountTokens(config.pki.tokenKey);
        this.#authenticator = new Authenticator(tokens, registry, clock);
        this.#authorizer = new RbacAuthorizer(registry);
        this.#objects = new ObjectService({ registry, clock, random, admitCreate: namespaceAdmission(registry) });
        const applier = new ServerSideApply(this.#objects, clock);
        const resources = new ResourceHandler({
            reader: registry,
            objects: this.#objects,
            applier,
            clock,
        });
        this.#custom = new CustomResources(registry, this.#table, this.#objects, log);
        this.#handler = new RestHandler({
            table: this.#table,
            resources,
            authenticate: (request) => this.#authenticator.authenticate(request),
            authorizer: this.#authorizer,
            connectors: connectors({
                reader: registry,
                objects: this.#objects,
                resources,
                table: this.#table,
                kubelet: this.#kubelet,
                tokens,
                authenticator: this.#authenticator,
                authorizer: this.#authorizer,
                applier,
                clock,
            }),
            paths: this.#paths(),
        });
    }

    /** "https://127.0.0.1:6443" once started. */
    get url(): string {
        const { host } = this.#config;
        const named = host === "0.0.0.0" || host === "::" ? "127.0.0.1" : host;
        return `https://${named.includes(":") ? `[${named}]` : named}:${this.port}`;
    }

    get port(): number {
        const address = this.#server?.address() as AddressInfo | null | undefined;
        return address?.port ?? this.#config.port;
    }

    get table(): ResourceTable {
        return this.#table;
    }

    /** How this process asks, in the name of `user`, without a connection. */
    transport(user: User): ApiTransport {
        return new LocalTransport(user, {
            handler: this.#handler,
            clock: this.#ports.clock,
            server: this.url,
            isServing: () => this.#server !== undefined,
        });
    }

    /** @throws REDGE_KUBE_PORT, or what the store throws */
    async start(): Promise<void> {
        if (this.#server !== undefined) return;
        await this.#registry.load();
        for (const resource of builtinResources(clusterStrategies(this.#registry))) this.#table.set(resource);
        for (const resource of metricsResources) this.#table.set(resource);
        await this.#custom.start();
        const { pki, host, port } = this.#config;
        const server = createServer(
            {
                cert: pki.server.certPem,
                key: pki.server.keyPem,
                ca: pki.caPem,
                requestCert: true,
                rejectUnauthorized: false,
                minVersion: "TLSv1.2",
                keepAliveTimeout: 120_000,
            },
            (request, response) => void this.#handler.handle(request, response),
        );
        server.requestTimeout = 0;
        server.on("upgrade", (request, socket, head) => void this.#upgrade(request, socket, head));
        server.on("tlsClientError", (error) =>
            this.#ports.log.debug("A TLS handshake with the API server failed", { error }),
        );
        await new Promise<void>((resolve, reject) => {
            server.once("error", (error) =>
                reject(new RedgeError("REDGE_KUBE_PORT", { host, port, reason: errorText(error) }, error)),
            );
            // A controller that writes a thousand objects at once opens as many connections.
            server.listen({ port, host, backlog: 4096 }, resolve);
        });
        this.#server = server;
    }

    async stop(): Promise<void> {
        const server = this.#server;
        if (server === undefined) return;
        this.#server = undefined;
        this.#custom.stop();
        this.#kubelet.close();
        const closed = new Promise<void>((resolve) => server.close(() => resolve()));
        await this.#registry.stop();
        server.closeIdleConnections();
        const timer = this.#ports.clock.after(STOP_GRACE_MS, () => server.closeAllConnections());
        await closed;
        timer.cancel();
    }

    #paths(): ReadonlyMap<string, PathHandler> {
        const ok = plainText(() => "ok");
        return new Map<string, PathHandler>([
            ...openApiHandlers(this.#table),
            ["/version", fixedJson(VERSION)],
            ...["/healthz", "/livez", "/readyz"].flatMap((path): [string, PathHandler][] => [
                [path, ok],
                [`${path}/*`, ok],
            ]),
            [
                "/",
                fixedJson({
                    paths: ["/api", "/apis", "/healthz", "/livez", "/openapi/v2", "/openapi/v3", "/readyz", "/version"],
                }),
            ],
        ]);
    }

    /** exec, attach and port-forward: after who and whether, the bytes go straight to the node. */
    async #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
        socket.on("error", () => socket.destroy());
        try {
            const { pathname, searchParams } = new URL(request.url ?? "/", "http://localhost");
            const path = parseResourcePath(pathname);
            if (path === undefined || path.plural !== "pods" || !STREAMS.has(path.subresource ?? ""))
                throw noSuchPath();
            const { namespace = "", name = "", subresource = "" } = path;
            const user = await this.#authenticator.authenticate(request);
            const attributes = {
                user,
                verb: request.method === "GET" ? "get" : "create",
                group: "",
                resource: `pods/${subresource}`,
                namespace,
                name,
                path: pathname,
            };
            const reason = await this.#authorizer.refuse(attributes);
            if (reason !== undefined)
                throw forbidden(
                    { group: "", plural: "pods" },
                    name,
                    `User "${user.name}" cannot ${attributes.verb} resource "pods/${subresource}" in API group "" in the namespace "${namespace}"`,
                );
            const { pod, endpoint } = await this.#kubelet.podEndpoint(namespace, name);
            await this.#kubelet.upgrade(endpoint, streamPath(pod, subresource, searchParams), request, socket, head);
        } catch (error) {
            const response = new ServerResponse(request);
            response.assignSocket(socket as never);
            response.shouldKeepAlive = false;
            sendError(response, error);
            response.on("finish", () => socket.end());
        }
    }
}
