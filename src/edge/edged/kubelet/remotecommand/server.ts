// SPDX-License-Identifier: Apache-2.0
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { createWebSocketStream, WebSocketServer } from "ws";
import type { Ports } from "../../../../core/component.ts";
import { errorText } from "../../../../core/errors/redge-error.ts";
import type { ExecSession } from "../../runtimes/runtime.ts";
import { type Channels, wantedStreams } from "./channels.ts";
import { PORT_FORWARD_PROTOCOL, servePortForward } from "./port-forward.ts";
import { runSession } from "./session.ts";
import { SPDY_PROTOCOLS, spdyChannels } from "./spdy-channels.ts";
import { SpdyConnection } from "./spdy-connection.ts";
import { WEBSOCKET_PROTOCOLS, websocketChannels } from "./websocket-channels.ts";

/** Who runs what the clients ask for. Rejections reach the client as text. */
export interface RemoteCommandTarget {
    exec(namespace: string, pod: string, container: string, options: ExecOptions): Promise<ExecSession>;
    attach(namespace: string, pod: string, container: string, options: AttachOptions): Promise<ExecSession>;
    portForward(namespace: string, pod: string, port: number): Promise<NodeJS.ReadWriteStream>;
}

export interface AttachOptions {
    readonly stdin: boolean;
    readonly tty: boolean;
}

export interface ExecOptions extends AttachOptions {
    readonly command: readonly string[];
}

const PATH = /^\/(exec|attach|portForward)\/([^/]+)\/([^/]+)(?:\/([^/]+))?(?:\/([^/]+))?$/;
/** SPDY carried in WebSocket messages: how kubectl forwards ports since 1.31. */
const TUNNELLED = `SPDY/3.1+${PORT_FORWARD_PROTOCOL}`;

const WEBSOCKET_OPTIONS = {
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: 1024 * 1024,
} as const;

/** `/exec`, `/attach` and `/portForward` of a kubelet: over SPDY/3.1 and over WebSocket (KEP-4006). */
export class RemoteCommandServer {
    readonly #target: RemoteCommandTarget;
    readonly #ports: Pick<Ports, "clock" | "log">;
    readonly #websockets = new WebSocketServer({
        ...WEBSOCKET_OPTIONS,
        handleProtocols: (offered) => WEBSOCKET_PROTOCOLS.find((protocol) => offered.has(protocol)) ?? false,
    });

    /** Apart from the others, since the name of this protocol is no token and `ws` would refuse it. */
    readonly #tunnels = new WebSocketServer(WEBSOCKET_OPTIONS);

    constructor(target: RemoteCommandTarget, ports: Pick<Ports, "clock" | "log">) {
        this.#target = target;
        this.#ports = ports;
        this.#tunnels.on("headers", (headers) => headers.push(`Sec-WebSocket-Protocol: ${TUNNELLED}`));
    }

    /** Takes an upgrade over; false when the path is none of these. */
    upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): boolean {
        const url = new URL(request.url ?? "/", "http://kubelet");
        const [, kind, namespace, pod, third, fourth] = PATH.exec(url.pathname) ?? [];
        if (kind === undefined || namespace === undefined || pod === undefined) return false;
        socket.on("error", () => socket.destroy());
        const container = fourth ?? third; // The pod's uid may stand between.
        if (kind === "portForward") {
            this.#forward(request, socket, head, (port) => this.#target.portForward(namespace, pod, port));
        } else if (container === undefined) {
            refuse(socket, 400, "the path names no container");
        } else {
            const { stdin, tty } = wantedStreams(url.searchParams);
            const command = url.searchParams.getAll("command");
            const start = (): Promise<ExecSession> =>
                kind === "exec"
                    ? this.#target.exec(namespace, pod, container, { command, stdin, tty })
                    : this.#target.attach(namespace, pod, container, { stdin, tty });
            this.#command(request, socket, head, url.searchParams, start);
        }
        return true;
    }

    #command(
        request: IncomingMessage,
        socket: Duplex,
        head: Buffer,
        query: URLSearchParams,
        start: () => Promise<ExecSession>,
    ): void {
        const wanted = wantedStreams(query);
        const { clock } = this.#ports;
        const run = (channels: Channels): void => void runSession(channels, start, clock);
        if (!wanted.stdin && !wanted.stdout && !wanted.stderr) {
            refuse(socket, 400, "you must specify at least 1 of stdin, stdout, stderr");
        } else if (isSpdy(request)) {
            const protocol = choose(request, SPDY_PROTOCOLS);
            if (protocol === undefined) {
                refuse(socket, 403, `supported protocols: ${SPDY_PROTOCOLS.join(", ")}`);
                return;
            }
            const connection = switchToSpdy(socket, protocol);
            spdyChannels(connection, wanted, protocol, clock).then(run, (error: unknown) => {
                this.#ports.log.debug("a remote command was not begun", { reason: errorText(error) });
                connection.close();
            });
            connection.start(head);
        } else if (isOffered(request, WEBSOCKET_PROTOCOLS)) {
            this.#websockets.handleUpgrade(request, socket, head, (opened) => run(websocketChannels(opened, wanted)));
        } else {
            refuse(socket, 400, `supported protocols: ${WEBSOCKET_PROTOCOLS.join(", ")}`);
        }
    }

    #forward(
        request: IncomingMessage,
        socket: Duplex,
        head: Buffer,
        connect: (port: number) => Promise<NodeJS.ReadWriteStream>,
    ): void {
        if (isSpdy(request)) {
            const connection = switchToSpdy(socket, choose(request, [PORT_FORWARD_PROTOCOL]) ?? PORT_FORWARD_PROTOCOL);
            servePortForward(connection, connect);
            connection.start(head);
            return;
        }
        if (!isOffered(request, [TUNNELLED])) {
            refuse(socket, 400, `supported protocols: ${TUNNELLED}`);
            return;
        }
        delete request.headers["sec-websocket-protocol"];
        this.#tunnels.handleUpgrade(request, socket, head, (opened) => {
            const connection = new SpdyConnection(createWebSocketStream(opened));
            servePortForward(connection, connect);
            connection.start(Buffer.alloc(0));
        });
    }
}

function isSpdy(request: IncomingMessage): boolean {
    return request.headers.upgrade?.toLowerCase() === "spdy/3.1";
}

function isOffered(request: IncomingMessage, protocols: readonly string[]): boolean {
    const offered = String(request.headers["sec-websocket-protocol"] ?? "").split(/\s*,\s*/);
    return protocols.some((protocol) => offered.includes(protocol));
}

/** The best protocol that the client offers too; it may offer them in one header or in several. */
function choose(request: IncomingMessage, supported: readonly string[]): string | undefined {
    const offered = String(request.headers["x-stream-protocol-version"] ?? "").split(/\s*,\s*/);
    return supported.find((protocol) => offered.includes(protocol));
}

function switchToSpdy(socket: Duplex, protocol: string): SpdyConnection {
    socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: ${protocol}\r\n\r\n`,
    );
    return new SpdyConnection(socket);
}

function refuse(socket: Duplex, status: number, reason: string): void {
    const body = `${reason}\n`;
    const headers = `Content-Type: text/plain\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n`;
    socket.end(`HTTP/1.1 ${status} Refused\r\n${headers}\r\n${body}`);
}
