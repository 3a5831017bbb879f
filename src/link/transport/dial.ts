// SPDX-License-Identifier: Apache-2.0
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { connect as tlsConnect } from "node:tls";
import { WebSocket } from "ws";
import { RedgeError } from "../../core/errors/redge-error.ts";
import type { TlsMaterial } from "../identity/ports.ts";
import {
    formatSession,
    NODE_HEADER,
    PROJECT_HEADER,
    parseSession,
    type RedgeSession,
    SESSION_HEADER,
    USE_HEADER,
} from "../session.ts";
import type { LinkConnection } from "./connection.ts";
import { throughProxy } from "./proxy.ts";
import { WebSocketConnection } from "./websocket.ts";

/** What an edge says of itself before anything else. */
export interface Hello {
    readonly nodeName: string;
    readonly projectId: string;
    readonly session: RedgeSession;
}

/** What every transport needs to open a link. */
export interface DialOptions {
    readonly hello: Hello;
    readonly tls: TlsMaterial;
    /** Until the cloud has let this node in. */
    readonly timeoutMs: number;
    readonly maxMessageBytes: number;
    readonly signal: AbortSignal;
}

export interface WebSocketDialOptions extends DialOptions {
    /** `wss://host:port` */
    readonly url: string;
    /** `http://[user:password@]host:port` of a forward proxy; undefined: none. */
    readonly proxy: string | undefined;
    /** TLS session of the last connection, for a short handshake. */
    readonly ticket: Buffer | undefined;
    onTicket(ticket: Buffer): void;
}

export interface Dialled {
    readonly connection: LinkConnection;
    /** What the cloud answered in its `redge-session` header; undefined for a stock CloudCore. */
    readonly redge: RedgeSession | undefined;
}

/**
 * Opens a WebSocket over mutual TLS.
 * @throws REDGE_LINK_REFUSED when the cloud answered but did not upgrade; the network's own error otherwise
 */
export function dialWebSocket(options: WebSocketDialOptions): Promise<Dialled> {
    const { hello, tls, timeoutMs, maxMessageBytes, signal } = options;
    const { nodeName, projectId, session } = hello;
    const url = `${options.url.replace(/\/+$/, "")}/${projectId}/${nodeName}/events`;
    return new Promise((resolve, reject) => {
        const socket = new WebSocket(url, {
            headers: {
                [NODE_HEADER]: nodeName,
                [PROJECT_HEADER]: projectId,
                [USE_HEADER]: "msg",
                [SESSION_HEADER]: formatSession(session),
            },
            handshakeTimeout: timeoutMs,
            perMessageDeflate: false,
            maxPayload: maxMessageBytes,
            createConnection: (_ignored: unknown, ready: (error: Error | null, socket?: Socket) => void) =>
                openSocket(options, tls, ready),
        } as ConstructorParameters<typeof WebSocket>[2]);
        const abort = (): void => socket.terminate();
        signal.addEventListener("abort", abort, { once: true });
        let redge: RedgeSession | undefined;
        socket.once("upgrade", (response: IncomingMessage) => {
            redge = parseSession(response.headers[SESSION_HEADER]);
        });
        socket.once("unexpected-response", (_request, response: IncomingMessage) => {
            void bodyOf(response).then((body) => {
                const reason = `${response.statusCode ?? 0} ${body.trim()}`;
                reject(new RedgeError("REDGE_LINK_REFUSED", { url, reason }));
                socket.terminate();
            });
        });
        socket.once("error", reject);
        socket.once("close", () => signal.removeEventListener("abort", abort));
        socket.once("open", () => {
            signal.removeEventListener("abort", abort);
            resolve({ connection: new WebSocketConnection(socket), redge });
        });
    });
}

function openSocket(
    { url, proxy, ticket, timeoutMs, onTicket }: WebSocketDialOptions,
    tls: TlsMaterial,
    ready: (error: Error | null, socket?: Socket) => void,
): Socket | undefined {
    const { hostname, port } = new URL(url);
    const host = hostname.replace(/^\[|\]$/g, "");
    const secure = (through?: Socket): Socket => {
        const target = through === undefined ? { host, port: Number(port || 443) } : { socket: through };
        const socket = tlsConnect({
            ...target,
            servername: /^[\d.]+$|:/.test(host) ? "" : host,
            cert: tls.certPem,
            key: tls.keyPem,
            ca: tls.caPem,
            minVersion: "TLSv1.2",
            ...(ticket === undefined ? {} : { session: ticket }),
        });
        socket.setNoDelay(true);
        socket.on("session", onTicket);
        return socket;
    };
    if (proxy === undefined) return secure();
    throughProxy(proxy, `${host.includes(":") ? `[${host}]` : host}:${port || 443}`, timeoutMs).then(
        (socket) => ready(null, secure(socket)),
        ready,
    );
    return undefined;
}

async function bodyOf(response: IncomingMessage): Promise<string> {
    let text = "";
    try {
        for await (const part of response.setEncoding("utf8") as AsyncIterable<string>) {
            text += part;
            if (text.length > 1_000) break;
        }
    } catch {
        // The reason is for people; a connection cut before its end leaves the status code.
    }
    return text.slice(0, 300);
}
