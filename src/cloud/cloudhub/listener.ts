// SPDX-License-Identifier: Apache-2.0
import { hkdfSync } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import { type WebSocket, WebSocketServer } from "ws";
import { errorText, RedgeError } from "../../core/errors/redge-error.ts";
import type { Logger } from "../../core/log.ts";
import type { CloudIdentity, TlsMaterial } from "../../link/identity/ports.ts";
import { formatSession, NODE_HEADER, parseSession, SESSION_HEADER } from "../../link/session.ts";
import { WebSocketConnection } from "../../link/transport/websocket.ts";
import type { Admission } from "./admission.ts";
import type { Bootstrap } from "./bootstrap.ts";
import type { CloudHubConfig } from "./config.ts";

/** Suites of KubeEdge for TLS 1.2 (wire protocol, section 1.2) beside those of TLS 1.3. */
const CIPHERS = [
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-SHA256",
].join(":");

/** The two listeners of CloudHub: HTTPS for certificates, WebSocket over mutual TLS for messages (or one port for both). */
export class Listener {
    readonly #config: CloudHubConfig;
    readonly #identity: CloudIdentity;
    readonly #bootstrap: Bootstrap;
    readonly #log: Logger;
    readonly #admission: Admission;
    readonly #window: number;
    readonly #servers: Server[] = [];
    readonly #upgrader: WebSocketServer;
    #unlisten: (() => void) | undefined;

    constructor(
        config: CloudHubConfig,
        identity: CloudIdentity,
        bootstrap: Bootstrap,
        log: Logger,
        admission: Admission,
        window: number,
    ) {
        this.#config = config;
        this.#identity = identity;
        this.#bootstrap = bootstrap;
        this.#log = log;
        this.#admission = admission;
        this.#window = window;
        this.#upgrader = new WebSocketServer({
            noServer: true,
            clientTracking: false,
            perMessageDeflate: false,
            maxPayload: config.maxMessageBytes,
        });
        this.#upgrader.on("headers", (headers, request) => {
            if (parseSession(request.headers[SESSION_HEADER]) === undefined) return;
            headers.push(`${SESSION_HEADER}: ${formatSession({ version: 1, window: this.#window })}`);
        });
    }

    /** @throws REDGE_LINK_LISTEN */
    async start(): Promise<void> {
        const material = await this.#identity.serverTls();
        const { singlePort, websocketPort, httpsPort } = this.#config;
        const messages = this.#serve(material, !singlePort);
        await this.#listen(messages, websocketPort);
        if (!singlePort) await this.#listen(this.#serve(material, false), httpsPort);
        this.#unlisten = this.#identity.onRenewed(() => void this.#renew());
    }

    /** Ports in use, once started. With one port for all both are the same. */
    get ports(): { readonly websocket: number; readonly https: number } {
        const [messages, bootstrap = messages] = this.#servers.map((server) => (server.address() as AddressInfo).port);
        return { websocket: messages ?? 0, https: bootstrap ?? 0 };
    }

    /** Stops listening and cuts what is still open. */
    async stop(): Promise<void> {
        this.#unlisten?.();
        const closed = this.#servers.splice(0).map(
            (server) =>
                new Promise<void>((resolve) => {
                    server.close(() => resolve());
                    server.closeAllConnections();
                }),
        );
        await Promise.all(closed);
    }

    /** `strict`: TLS itself refuses whoever has no certificate of the CA. */
    #serve(material: TlsMaterial, strict: boolean): Server {
        const server = createServer({ ...tlsOptions(material), requestCert: true, rejectUnauthorized: strict });
        server.on("request", (request, response) => {
            if (strict) response.writeHead(404).end();
            else void this.#bootstrap.handle(request, response);
        });
        if (strict || this.#config.singlePort) {
            server.on("upgrade", (request, socket, head) => this.#upgrade(request, socket, head));
        }
        server.on("tlsClientError", (error, socket) => {
            this.#log.debug("TLS handshake failed", { from: socket.remoteAddress, reason: errorText(error) });
            socket.destroy();
        });
        server.on("clientError", (_error, socket) => socket.destroy());
        return server;
    }

    async #listen(server: Server, port: number): Promise<void> {
        const { host } = this.#config;
        await new Promise<void>((resolve, reject) => {
            server.once("error", (error) => {
                reject(new RedgeError("REDGE_LINK_LISTEN", { host, port, reason: errorText(error) }, error));
            });
            server.listen({ host, port, backlog: 4096 }, resolve);
        });
        this.#servers.push(server);
    }

    async #renew(): Promise<void> {
        try {
            const material = await this.#identity.serverTls();
            for (const server of this.#servers) server.setSecureContext(tlsOptions(material));
        } catch (thrown) {
            this.#log.error("the renewed certificate cannot be used", { reason: errorText(thrown) });
        }
    }

    #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
        const peer = request.socket as TLSSocket;
        const certificate = peer.authorized ? peer.getPeerX509Certificate() : undefined;
        const decision = this.#admission.decide(certificate, request.headers[NODE_HEADER]);
        if (!("node" in decision)) {
            reply(socket, decision.status, decision.reason);
            return;
        }
        const { node } = decision;
        const redge = parseSession(request.headers[SESSION_HEADER]);
        const remoteAddress = (request.socket as Socket).remoteAddress ?? "";
        this.#upgrader.handleUpgrade(request, socket, head, (webSocket: WebSocket) => {
            peer.setNoDelay(true);
            this.#admission.joined({ node, connection: new WebSocketConnection(webSocket), redge, remoteAddress });
        });
    }
}

/** Tickets stay good over a restart, and over replicas with the same key, so that a fleet comes back with short handshakes. */
function tlsOptions({ certPem, keyPem, caPem }: TlsMaterial) {
    const ticketKeys = Buffer.from(hkdfSync("sha256", keyPem, "", "redge cloudhub tls tickets", 48));
    return { cert: certPem, key: keyPem, ca: caPem, minVersion: "TLSv1.2", ciphers: CIPHERS, ticketKeys } as const;
}

const STATUS_TEXT: Readonly<Record<number, string>> = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    503: "Service Unavailable",
};

function reply(socket: Duplex, status: number, reason: string): void {
    const body = `${reason}\n`;
    socket.on("error", () => socket.destroy());
    socket.end(
        `HTTP/1.1 ${status} ${STATUS_TEXT[status] ?? "Error"}\r\nConnection: close\r\n` +
            `Content-Type: text/plain; charset=utf-8\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
        () => socket.destroy(),
    );
}
