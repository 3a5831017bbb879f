// SPDX-License-Identifier: Apache-2.0
import { type IncomingMessage, type OutgoingHttpHeaders, request as requestOver, type ServerResponse } from "node:http";
import type { Server } from "node:https";
import { type Duplex, pipeline } from "node:stream";
import type { TlsOptions } from "node:tls";
import type { Ports } from "../../core/component.ts";
import { errorText, isRedgeError, RedgeError } from "../../core/errors/redge-error.ts";
import type { TlsMaterial } from "../../link/identity/ports.ts";
import { encodeKubeletRequest, goHeader } from "../../link/tunnel/kubelet-request.ts";
import { TunnelType } from "../../link/tunnel/message.ts";
import type { TunnelStream } from "../../link/tunnel/stream.ts";
import type { Tunnel } from "../../link/tunnel/tunnel.ts";
import type { Callers } from "./callers.ts";
import type { CloudStreamConfig } from "./config.ts";
import { listen, portOf, shut } from "./listen.ts";
import type { ServedMetrics } from "./metrics/served-metrics.ts";
import type { NodeTarget, NodeTargets } from "./node-target.ts";
import type { TunnelServer } from "./tunnel-server.ts";

const STATUS_OF = {
    REDGE_STREAM_OFFLINE: 503,
    REDGE_STREAM_TARGET: 404,
    REDGE_STREAM_CALLER: 403,
} as const;

export interface StreamServerPorts extends Ports {
    readonly tunnels: TunnelServer;
    readonly callers: Callers;
    readonly targets: NodeTargets;
    readonly topApi: ServedMetrics;
}

interface Reached {
    readonly tunnel: Tunnel;
    readonly at: NodeTarget;
}

/** The port that the API server dials as if it were the kubelet of every node (wire protocol, section 7.3). */
export class StreamServer {
    readonly #config: CloudStreamConfig;
    readonly #ports: StreamServerPorts;
    #server: Server | undefined;

    constructor(config: CloudStreamConfig, ports: StreamServerPorts) {
        this.#config = config;
        this.#ports = ports;
    }

    /** @throws REDGE_STREAM_LISTEN */
    async start(material: TlsMaterial): Promise<void> {
        // The certificate is judged by Callers: TLS itself knows another CA, that of the edges.
        const options: TlsOptions = {
            ...tlsOptions(material),
            requestCert: true,
            rejectUnauthorized: false,
            SNICallback: (name, found) => found(null, this.#ports.topApi.contextFor(name)),
        };
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
        const { api } = this.#ports.topApi;
        if (api?.serves(request.url ?? "/")) return api.handle(request, response);
        try {
            const reached = await this.#reach(request);
            if (reached.tunnel.hasWindows) answerOver(reached, request, response);
            else this.#answerStock(reached, request, response);
        } catch (error) {
            response.writeHead(this.#statusOf(error), { "Content-Type": "text/plain" }).end(`${errorText(error)}\n`);
        }
    }

    /** A stock edge relays the body alone: its status is lost, so the answer begins before anything is known. */
    #answerStock({ tunnel, at }: Reached, request: IncomingMessage, response: ServerResponse): void {
        const path = at.target;
        const isLogs = path.startsWith("/containerLogs/");
        if (!isLogs && at.usage === undefined)
            throw new RedgeError("REDGE_STREAM_TARGET", { path, reason: "this edge takes it with an upgrade only" });
        const type = isLogs ? TunnelType.logs : TunnelType.metrics;
        const stream = tunnel.open(type, (id) => encodeKubeletRequest(id, kubeletRequest(request, path), false));
        response.writeHead(200, { "Content-Type": "text/plain" });
        response.flushHeaders();
        pipeline(stream, response, () => void stream.destroy());
    }

    /** Exec, attach and port-forward: the edge answers 101 itself, everything behind is raw bytes. */
    async #relay(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
        socket.on("error", () => socket.destroy());
        try {
            const { tunnel, at } = await this.#reach(request);
            const type = request.url?.startsWith("/attach/") ? TunnelType.attach : TunnelType.exec;
            const stream = tunnel.open(type, (id) =>
                encodeKubeletRequest(id, kubeletRequest(request, at.target), true),
            );
            if (head.length > 0) stream.write(head);
            join(stream, socket);
        } catch (error) {
            const text = `${errorText(error)}\n`;
            const length = Buffer.byteLength(text);
            const headers = `Content-Type: text/plain\r\nContent-Length: ${length}\r\nConnection: close\r\n`;
            socket.end(`HTTP/1.1 ${this.#statusOf(error)} Refused\r\n${headers}\r\n${text}`);
        }
    }

    /** @throws REDGE_STREAM_CALLER, _TARGET, _OFFLINE */
    async #reach(request: IncomingMessage): Promise<Reached> {
        const { callers, targets, tunnels } = this.#ports;
        const objection = callers.objectionTo(request);
        // A stranger learns nothing, not even which pods there are; but some may read how much is used.
        if (objection !== undefined && !targets.isUsage(request))
            throw new RedgeError("REDGE_STREAM_CALLER", { caller: objection });
        const at = await targets.of(request);
        if (objection !== undefined) {
            const reason = await callers.objectionToToken(request, at.node, at.usage ?? "");
            if (reason !== undefined)
                throw new RedgeError("REDGE_STREAM_CALLER", { caller: `${objection}, ${reason}` });
        }
        const tunnel = tunnels.tunnelOf(at.node);
        if (tunnel === undefined) throw new RedgeError("REDGE_STREAM_OFFLINE", { node: at.node });
        return { tunnel, at };
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
function answerOver({ tunnel, at }: Reached, request: IncomingMessage, response: ServerResponse): void {
    const stream = tunnel.open(TunnelType.http, () => Buffer.alloc(0));
    const { method, target, header } = kubeletRequest(request, at.target);
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

function kubeletRequest(request: IncomingMessage, target: string) {
    return { method: request.method ?? "GET", target, header: goHeader(request.rawHeaders) };
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
