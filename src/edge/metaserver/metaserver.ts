// SPDX-License-Identifier: Apache-2.0
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import type { Component, Ports } from "../../core/component.ts";
import { errorText, RedgeError } from "../../core/errors/redge-error.ts";
import { builtinResources } from "../../kube/builtin/resources.ts";
import { openApiHandlers } from "../../kube/openapi/handlers.ts";
import { addWarning } from "../../kube/rest/context.ts";
import { ObjectService } from "../../kube/rest/objects.ts";
import { ResourceHandler } from "../../kube/rest/resource-handler.ts";
import { ALL_VERBS, READ_VERBS, ResourceTable, type ServedResource, type Verb } from "../../kube/rest/resources.ts";
import { type Connector, fixedJson, type PathHandler, plainText, RestHandler } from "../../kube/rest/rest-handler.ts";
import type { LocalWrites } from "../metamanager/local-writes.ts";
import type { ObjectSource } from "../metamanager/object-table.ts";
import type { TokenOwner } from "../metamanager/token-table.ts";
import { authenticator, edgeAuthorizer } from "./access.ts";
import { bindPods } from "./bind-pods.ts";
import { actorOf, CachedObjects } from "./cached-objects.ts";
import type { MetaServerConfig } from "./config.ts";
import { loadCredentials, writeOperatorKubeconfig } from "./credentials.ts";
import { servePodLog } from "./pod-log.ts";

export interface MetaServerPorts extends Pick<Ports, "clock" | "log" | "random"> {
    readonly cache: ObjectSource;
    /** Takes what is written here. */
    readonly writes: Pick<LocalWrites, "commit" | "mayWrite" | "online">;
    /** Whose service account token this is, if the cloud issued it to this gateway. */
    readonly accountOf: (token: string) => TokenOwner | undefined;
}

/** Kinds a gateway is given; everything else is not here to be served. */
const SERVED = new Set([
    "Node",
    "Pod",
    "ConfigMap",
    "Secret",
    "Service",
    "Endpoints",
    "RuntimeClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
]);
/** What can be changed here. A Node is registered by its gateway, and deleted in the cluster. */
const WRITABLE: Readonly<Record<string, readonly Verb[]>> = {
    Pod: ALL_VERBS,
    ConfigMap: ALL_VERBS,
    Secret: ALL_VERBS,
    Node: [...READ_VERBS, "patch", "update"],
};
const VERSION = {
    major: "1",
    minor: "32",
    gitVersion: "v1.32.0+redge-edge",
    platform: `${process.platform}/${process.arch}`,
};
const READS = new Set(["GET", "HEAD", "OPTIONS"]);
const KEPT = "no link to the cluster: the change holds here now, and is offered to the cluster when the link is back";
const STOP_GRACE_MS = 300;

/**
 * The Kubernetes API of a gateway: what MetaManager keeps can be got, listed, watched and changed, and logs read, with
 * the cloud or without it. Loopback and TLS; a workload keeps to its own namespace, the operator may everything.
 */
export class MetaServer implements Component {
    readonly #config: MetaServerConfig;
    readonly #ports: MetaServerPorts;
    #server: Server | undefined;
    #objects: CachedObjects | undefined;

    constructor(config: MetaServerConfig, ports: MetaServerPorts) {
        this.#config = config;
        this.#ports = ports;
    }

    get url(): string {
        const address = this.#server?.address() as AddressInfo | null | undefined;
        const { host, port } = this.#config;
        return `https://${host === "::1" ? "[::1]" : host}:${address?.port ?? port}`;
    }

    /** The operator's, written at every start. */
    get kubeconfigPath(): string {
        return join(this.#config.folder, "kubeconfig");
    }

    /** @throws REDGE_METASERVER_PORT when it cannot listen */
    async start(): Promise<void> {
        if (this.#server !== undefined) return;
        const { folder, host, port } = this.#config;
        const { clock } = this.#ports;
        const credentials = await loadCredentials(folder, clock);
        const resources = servedResources();
        const objects = new CachedObjects(this.#ports.cache, this.#ports.writes, resources, clock);
        const handler = this.#handler(objects, resources, credentials.operatorToken);
        const options = { cert: credentials.certPem, key: credentials.keyPem, minVersion: "TLSv1.2" } as const;
        const server = createServer(options, (request, response) => {
            // kubectl prints it.
            if (!READS.has(request.method ?? "") && !this.#ports.writes.online) addWarning(response, KEPT);
            void handler.handle(request, response);
        });
        server.requestTimeout = 0;
        await new Promise<void>((resolve, reject) => {
            const failed = (error: Error): void =>
                reject(new RedgeError("REDGE_METASERVER_PORT", { host, port, reason: errorText(error) }, error));
            server.once("error", failed);
            server.listen(port, host, () => {
                server.off("error", failed);
                resolve();
            });
        });
        objects.start();
        this.#server = server;
        this.#objects = objects;
        await writeOperatorKubeconfig(this.kubeconfigPath, this.url, credentials);
    }

    async stop(): Promise<void> {
        const server = this.#server;
        if (server === undefined) return;
        this.#server = undefined;
        this.#objects?.stop();
        const closed = new Promise<void>((resolve) => server.close(() => resolve()));
        server.closeIdleConnections();
        const timer = this.#ports.clock.after(STOP_GRACE_MS, () => server.closeAllConnections());
        await closed;
        timer.cancel();
    }

    #handler(registry: CachedObjects, resources: readonly ServedResource[], operatorToken: string): RestHandler {
        const { clock, random, accountOf, writes } = this.#ports;
        const table = new ResourceTable();
        for (const resource of resources) table.set(resource);
        const objects = new ObjectService({ registry, clock, random, admitCreate: bindPods(this.#ports.cache) });
        const log: Connector = (request) => servePodLog(request, registry, this.#config.kubelet);
        const ok = plainText(() => "ok");
        return new RestHandler({
            table,
            resources: new ResourceHandler({ reader: registry, objects, applier: undefined, clock }),
            authenticate: authenticator(operatorToken, accountOf),
            authorizer: edgeAuthorizer((user, verb, plural, namespace) =>
                writes.mayWrite(actorOf(user), verb, plural, namespace),
            ),
            connectors: new Map([["/pods/log", log]]),
            paths: new Map<string, PathHandler>([
                ...openApiHandlers(table),
                ["/version", fixedJson(VERSION)],
                ...["/healthz", "/livez", "/readyz"].map((path): [string, PathHandler] => [path, ok]),
            ]),
        });
    }
}

function servedResources(): ServedResource[] {
    return builtinResources()
        .filter(({ kind, group }) => SERVED.has(kind) && group !== "events.k8s.io")
        .map((resource) => ({
            ...resource,
            verbs: WRITABLE[resource.kind] ?? READ_VERBS,
            subresources: resource.subresources.filter(({ name }) => name === "log" && resource.kind === "Pod"),
        }));
}
