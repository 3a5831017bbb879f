// SPDX-License-Identifier: Apache-2.0
import { type IncomingMessage, type OutgoingHttpHeaders, request as requestOver, type ServerResponse } from "node:http";
import type { Server } from "node:https";
import { type Duplex, pipeline } from "node:stream";
import type { Ports } from "../../core/component.ts";
import { errorText, isRedgeError, RedgeError } from "../../core/errors/redge-error.ts";
import type { KubeClient } from "../../kube/client/client.ts";
import { Kinds } from "../../kube/types.ts";
import type { TlsMaterial } from "../../link/identity/ports.ts";
import { encodeKubeletRequest, goHeader } from "../../link/tunnel/kubelet-request.ts";
import { TunnelType } from "../../link/tunnel/message.ts";
import type { TunnelStream } from "../../link/tunnel/stream.ts";
import type { Tunnel } from "../../link/tunnel/tunnel.ts";
import type { Callers } from "./callers.ts";
import type { CloudStreamConfig } from "./config.ts";
import { listen, portOf, shut } from "./listen.ts";
import type { TunnelServer } from "./tunnel-server.ts";

const POD_PATH = /^\/(?:containerLogs|exec|attach|portForward|run)\/([^/]+)\/([^/]+)/;
const NODE_PATH = /^\/(?:stats|metrics)(?:\/|$)/;
const STATUS_OF = {
    REDGE_STREAM_OFFLINE: 503,
    REDGE_STREAM_TARGET: 404,
    REDGE_STREAM_CALLER: 403,
} as const;

/** The port that the API server dials as if it were the kubelet of every node (wire protocol, section 7.3). */
export class StreamServer {
    readonly #config: CloudStreamConfig;
    readonly #ports: Ports;
    readonly #cluster: KubeClient;
    readonly #tunnels: TunnelServer;
    readonly #callers: Callers;
    #server: Server | undefined;

    constructor(config: CloudStreamConfig, ports: Ports, cluster: KubeClient, tunnels: TunnelServer, callers: Callers) {
        this.#config = config;
        this.#ports = ports;
        this.#cluster = cluster;
        this.#tunnels = tunnels;
        this.#callers = callers;
    }

    /** @throws REDGE_STREAM_LISTEN */
    async start(material: TlsMaterial): Promise<void> {
        // The certificate is judged by Callers: TLS itself knows another CA, that of the edges.
        const options = { ...tlsOptions(material), requestCert: true, rejectUnauthorized: false };
        const { streamHost, streamPort } = this.#config;
        this.#server = await listen(options, streamHost, streamPort, this.#ports.log);
        this.#server.on("request", (request, response) => void this.#answer(request, response));
        this.#server.on("upgrade", (request, socket, head) => void this.#relay(request, socket, head));
    }

    async stop(): Promise<void> {
        await shut(this.#server);
    }

    renew(material: TlsMaterial): void {
        this.#server?.setSecureContext(tlsOptions(material));
    }

    get port(): number {
        return portOf(this.#server);
    }

    /** Logs, stats and metrics: an answer with a body. */
    async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
        try {
            const tunnel = await this.#tunnelFor(request);
            if (tunnel.hasWindows) answerOver(tunnel, request, response);
            else this.#answerStock(tunnel, request, response);
        } catch (error) {
            response.writeHead(this.#statusOf(error), { "Content-Type": "text/plain" }).end(`${errorText(error)}\n`);
        }
    }

    /** A stock edge relays the body alone: its status is lost, so the answer begins before anything is known. */
    #answerStock(tunnel: Tunnel, request: IncomingMessage, response: ServerResponse): void {
        const path = request.url ?? "/";
        const isLogs = path.startsWith("/containerLogs/");
        if (!isLogs && !NODE_PATH.test(path.split("?")[0] ?? ""))
            throw new RedgeError("REDGE_STREAM_TARGET", { path, reason: "this edge takes it with an upgrade only" });
        const type = isLogs ? TunnelType.logs : TunnelType.metrics;
        const stream = tunnel.open(type, (id) => encodeKubeletRequest(id, kubeletRequest(request), false));
        response.writeHead(200, { "Content-Type": "text/plain" });
        response.flushHeaders();
        pipeline(stream, response, () => void stream.destroy());
    }

    /** Exec, attach and port-forward: the edge answers 101 itself, everything behind is raw bytes. */
    async #relay(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
        socket.on("error", () => socket.destroy());
        try {
            const tunnel = await this.#tunnelFor(request);
            const type = request.url?.startsWith("/attach/") ? TunnelType.attach : TunnelType.exec;
            const stream = tunnel.open(type, (id) => encodeKubeletRequest(id, kubeletRequest(request), true));
            if (head.length > 0) stream.write(head);
            join(stream, socket);
        } catch (error) {
            const text = `${errorText(error)}\n`;
            const length = Buffer.byteLength(text);
            const headers = `Content-Type: text/plain\r\nContent-Length: ${length}\r\nConnection: close\r\n`;
            socket.end(`HTTP/1.1 ${this.#statusOf(error)} Refused\r\n${headers}\r\n${text}`);
        }
    }

    async #tunnelFor(request: IncomingMessage): Promise<Tunnel> {
        const caller = this.#callers.objectionTo(request);
        if (caller !== undefined) throw new RedgeError("REDGE_STREAM_CALLER", { caller });
        const node = await this.#nodeFor(request);
        const tunnel = this.#tunnels.tunnelOf(node);
        if (tunnel === undefined) throw new RedgeError("REDGE_STREAM_OFFLINE", { node });
        return tunnel;
    }

    async #nodeFor(request: IncomingMessage): Promise<string> {
        const path = request.url?.split("?")[0] ?? "/";
        const nobody = (reason: string): RedgeError => new RedgeError("REDGE_STREAM_TARGET", { path, reason });
        const [, namespace, name] = POD_PATH.exec(path) ?? [];
        if (namespace !== undefined && name !== undefined) {
            const pod = await this.#cluster.get({ type: Kinds.pod, namespace, name });
            const node = (pod["spec"] as Record<string, unknown> | undefined)?.["nodeName"];
            if (typeof node === "string" && node !== "") return node;
            throw nobody("the pod is on no node yet");
        }
        if (!NODE_PATH.test(path)) throw nobody("it is none of a kubelet's paths served here");
        const forwarded = /^\/api\/v1\/nodes\/([^/]+)/.exec(String(request.headers["x-forwarded-uri"] ?? ""))?.[1];
        const address = (request.headers.host ?? "").replace(/:\d+$/, "");
        const node = forwarded ?? this.#tunnels.nodeAt(address) ?? this.#onlyNode();
        if (node === undefined) throw nobody("the request names no node");
        return node;
    }

    #onlyNode(): string | undefined {
        const { nodes } = this.#tunnels;
        return nodes.length === 1 ? nodes[0] : undefined;
    }

    #statusOf(error: unknown): number {
        if (isRedgeError(error, "REDGE_KUBE_STATUS")) return Number(error.details["code"]) || 502;
        if (isRedgeError(error)) {
            const status = (STATUS_OF as Readonly<Record<string, number>>)[error.code];
            if (status !== undefined) return status;
        }
        this.#ports.log.warn("a request of the API server failed", { reason: errorText(error) });
        return 502;
    }
}

/** Between Redge ends HTTP itself goes through the tunnel, so status and headers are the kubelet's own. */
function answerOver(tunnel: Tunnel, request: IncomingMessage, response: ServerResponse): void {
    const stream = tunnel.open(TunnelType.http, () => Buffer.alloc(0));
    const { method, target, header } = kubeletRequest(request);
    const headers: OutgoingHttpHeaders = {
        ...(header as Record<string, string[]>),
        Connection: "close",
        Host: "kubelet",
    };
    const fail = (error: Error): void => {
        stream.destroy();
        if (response.headersSent) response.destroy();
        else response.writeHead(502, { "Content-Type": "text/plain" }).end(`${errorText(error)}\n`);
    };
    const sent = requestOver({ createConnection: () => stream, method, path: target, headers }, (answer) => {
        const { connection: _ours, "transfer-encoding": _encoding, ...kept } = answer.headers;
        response.writeHead(answer.statusCode ?? 502, kept as OutgoingHttpHeaders);
        response.flushHeaders();
        pipeline(answer, response, () => void stream.destroy());
    });
    sent.on("error", fail);
    response.on("close", () => void stream.destroy());
    request.pipe(sent);
}

function kubeletRequest(request: IncomingMessage) {
    return { method: request.method ?? "GET", target: request.url ?? "/", header: goHeader(request.rawHeaders) };
}

/** Two-way, until either side ends. */
function join(stream: TunnelStream, socket: Duplex): void {
    stream.pipe(socket);
    socket.pipe(stream);
    stream.on("close", () => socket.end());
    socket.on("close", () => void stream.destroy());
}

function tlsOptions({ certPem, keyPem }: TlsMaterial) {
    return { cert: certPem, key: keyPem };
}
