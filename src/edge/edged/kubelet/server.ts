// SPDX-License-Identifier: Apache-2.0
import { once } from "node:events";
import { chmod, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Ports } from "../../../core/component.ts";
import { errorText, isRedgeError, RedgeError } from "../../../core/errors/redge-error.ts";
import type { Machine } from "../node/machine.ts";
import type { PodManager } from "../pods/manager.ts";
import { parseLogQuery } from "./query.ts";
import { RemoteCommandServer } from "./remotecommand/index.ts";
import { CONTENT_TYPE, resourceMetrics } from "./resource-metrics.ts";
import { type Summary, summary, UsageRates } from "./summary.ts";
import { findContainer, podTarget } from "./target.ts";

export interface KubeletApiPorts extends Pick<Ports, "clock" | "log"> {
    readonly pods: PodManager;
    readonly machine: Machine;
}

export interface KubeletApiConfig {
    /** `unix:/path` or `http://127.0.0.1:port`. */
    readonly address: string;
    readonly nodeName: string;
    readonly rootDir: string;
}

/**
 * The kubelet's HTTP API for EdgeStream: logs, exec, attach, port-forward, pods, usage. It authenticates nobody, so it
 * listens on a socket that only this user may open, or on loopback when an operator says so.
 */
export class KubeletApi {
    readonly #config: KubeletApiConfig;
    readonly #ports: KubeletApiPorts;
    readonly #rates: UsageRates;
    #server: Server | undefined;
    #remote: RemoteCommandServer | undefined;

    constructor(config: KubeletApiConfig, ports: KubeletApiPorts) {
        this.#config = config;
        this.#ports = ports;
        this.#rates = new UsageRates(ports.clock);
    }

    /** @throws REDGE_KUBELET_ADDRESS when it cannot listen there */
    async start(): Promise<void> {
        const remote = new RemoteCommandServer(podTarget(this.#ports.pods), this.#ports);
        const server = createServer((request, response) => void this.#serve(request, response));
        server.on("upgrade", (request, socket, head) => {
            if (!remote.upgrade(request, socket, head)) socket.destroy();
        });
        this.#server = server;
        this.#remote = remote;
        const { address } = this.#config;
        try {
            const path = /^unix:(\/.+)$/.exec(address)?.[1];
            if (path === undefined) await listenOn(server, address);
            else {
                await rm(path, { force: true });
                server.listen(path);
                await once(server, "listening");
                await chmod(path, 0o600);
            }
        } catch (thrown) {
            throw new RedgeError("REDGE_KUBELET_ADDRESS", { address, reason: errorText(thrown) }, thrown);
        }
    }

    async stop(): Promise<void> {
        const server = this.#server;
        this.#server = undefined;
        if (server === undefined || this.#remote === undefined) return;
        const closed = new Promise((resolve) => server.close(resolve));
        server.closeAllConnections();
        await closed;
    }

    async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
        try {
            await this.#route(request, response);
        } catch (thrown) {
            if (!isRedgeError(thrown))
                this.#ports.log.error("kubelet request failed", { url: request.url, error: thrown });
            if (response.headersSent) response.destroy();
            else {
                const status = isRedgeError(thrown, "REDGE_RUNTIME_NO_CONTAINER")
                    ? 404
                    : isRedgeError(thrown)
                      ? 400
                      : 500;
                response.writeHead(status, { "content-type": "text/plain" }).end(errorText(thrown));
            }
        }
    }

    async #route(request: IncomingMessage, response: ServerResponse): Promise<void> {
        const url = new URL(request.url ?? "/", "http://kubelet");
        const [, first, ...rest] = url.pathname.split("/").map(decodeURIComponent);
        if (first === "healthz") response.writeHead(200, { "content-type": "text/plain" }).end("ok");
        else if (first === "pods") json(response, podList(this.#ports.pods));
        else if (first === "stats" && rest[0] === "summary") json(response, await this.#usage());
        else if (first === "metrics" && rest[0] === "resource") await this.#metrics(response);
        else if (first === "containerLogs") await this.#logs(rest, url.searchParams, request, response);
        else response.writeHead(404, { "content-type": "text/plain" }).end("404 page not found\n");
    }

    #usage(): Promise<Summary> {
        const { pods, ...ports } = this.#ports;
        return summary({ ...this.#config, ...ports, rates: this.#rates, workers: pods.workers });
    }

    async #metrics(response: ServerResponse): Promise<void> {
        const text = resourceMetrics(await this.#usage());
        response.writeHead(200, { "content-type": CONTENT_TYPE }).end(text);
    }

    async #logs(
        [namespace = "", pod = "", container = ""]: readonly string[],
        params: URLSearchParams,
        request: IncomingMessage,
        response: ServerResponse,
    ): Promise<void> {
        const gone = new AbortController();
        response.on("close", () => gone.abort());
        const query = parseLogQuery(params, this.#ports.clock.nowMs(), gone.signal);
        const { runtime, record } = await findContainer(this.#ports.pods, namespace, pod, container, query.previous);
        response.writeHead(200, { "content-type": "text/plain", "transfer-encoding": "chunked" });
        if (query.follow === true) response.flushHeaders();
        for await (const { data } of runtime.logs(record.id, query)) {
            if (gone.signal.aborted) return;
            if (!response.write(data)) await Promise.race([once(response, "drain"), once(response, "close")]);
        }
        if (!request.destroyed || !response.destroyed) response.end();
    }
}

async function listenOn(server: Server, address: string): Promise<void> {
    const { protocol, hostname, port } = new URL(address);
    if (protocol !== "http:") throw new Error("only unix: and http: addresses are offered");
    server.listen(Number(port || 80), hostname);
    await once(server, "listening");
}

function podList(pods: PodManager): unknown {
    const items = pods.workers.map(({ pod }) => ({ ...pod, apiVersion: "v1", kind: "Pod" }));
    return { apiVersion: "v1", kind: "PodList", metadata: {}, items };
}

function json(response: ServerResponse, body: unknown): void {
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body));
}
