// SPDX-License-Identifier: Apache-2.0
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import { type WebSocket, WebSocketServer } from "ws";
import type { Ports } from "../../core/component.ts";
import { errorText, isRedgeError, RedgeError } from "../../core/errors/redge-error.ts";
import type { CloudIdentity } from "../../link/identity/ports.ts";
import { readCertificate } from "../../link/identity/x509.ts";
import { certificateTrouble, type Entered, frontDoorOf, refuseUpgrade } from "../../link/transport/front-door.ts";
import { MAX_MESSAGE_BYTES, TUNNEL_HEADER, TUNNEL_PATH } from "../../link/tunnel/message.ts";
import { Tunnel } from "../../link/tunnel/tunnel.ts";
import type { CloudStreamConfig } from "./config.ts";

/** Room each end grants for one connection: enough for a fast line of 20 ms at 100 Mbit/s. */
const WINDOW_BYTES = 256 * 1024;
/** An edge pings every 5 s; without a word for this long it is gone. */
const SILENCE_MS = 30_000;

interface Session {
    readonly tunnel: Tunnel;
    /** What the node calls its own address; metrics requests name it. */
    readonly address: string;
}

export interface TunnelPorts extends Ports {
    readonly identity: CloudIdentity;
}

/** The port that edges dial: mutual TLS, one tunnel a node (wire protocol, section 7.1). */
export class TunnelServer {
    readonly #config: CloudStreamConfig;
    readonly #ports: TunnelPorts;
    readonly #changed: () => void;
    readonly #sessions = new Map<string, Session>();
    readonly #upgrader = new WebSocketServer({
        noServer: true,
        clientTracking: false,
        perMessageDeflate: false,
        // Tunnel data is binary in text messages, as KubeEdge sends it.
        skipUTF8Validation: true,
        maxPayload: MAX_MESSAGE_BYTES + 32,
    });
    #entered: Entered | undefined;

    constructor(config: CloudStreamConfig, ports: TunnelPorts, changed: () => void) {
        this.#config = config;
        this.#ports = ports;
        this.#changed = changed;
        this.#upgrader.on("headers", (headers, request) => {
            if (windowOf(request) !== undefined) headers.push(`${TUNNEL_HEADER}: ${WINDOW_BYTES}`);
        });
    }

    /** @throws REDGE_STREAM_LISTEN */
    async start(): Promise<void> {
        const { tunnelHost: host, tunnelPort: port } = this.#config;
        const { identity, log } = this.#ports;
        try {
            this.#entered = await frontDoorOf(identity, log).enter(
                { host, port },
                {
                    upgradePath: TUNNEL_PATH,
                    upgrade: (request, socket, head) => this.#upgrade(request, socket, head),
                },
            );
        } catch (thrown) {
            if (isRedgeError(thrown)) throw thrown;
            throw new RedgeError("REDGE_STREAM_LISTEN", { host, port, reason: errorText(thrown) }, thrown);
        }
    }

    async stop(): Promise<void> {
        for (const { tunnel } of [...this.#sessions.values()]) tunnel.closeWith("CloudStream is stopping");
        await this.#entered?.leave();
    }

    get port(): number {
        return this.#entered?.port ?? 0;
    }

    get nodes(): readonly string[] {
        return [...this.#sessions.keys()];
    }

    tunnelOf(node: string): Tunnel | undefined {
        return this.#sessions.get(node)?.tunnel;
    }

    /** The one node that says it has this address; undefined where several do (sites may use the same networks). */
    nodeAt(address: string): string | undefined {
        const found = [...this.#sessions].filter(([, session]) => session.address === address);
        return found.length === 1 ? found[0]?.[0] : undefined;
    }

    #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
        const node = String(request.headers["sessionhostnameoverride"] ?? "");
        const objection = this.#objection(request, node);
        if (objection !== undefined) {
            this.#ports.log.warn("a tunnel was refused", {
                node,
                from: request.socket.remoteAddress,
                reason: objection,
            });
            refuseUpgrade(socket, certificateTrouble(request) === undefined ? 403 : 401, objection);
            return;
        }
        this.#upgrader.handleUpgrade(request, socket, head, (opened) => this.#open(node, request, opened));
    }

    #objection(request: IncomingMessage, node: string): string | undefined {
        const trouble = certificateTrouble(request);
        if (trouble !== undefined) return trouble;
        if (node === "") return "SessionHostNameOverride is missing";
        if (this.#config.authorization === "kubeedge") return undefined;
        const certificate = (request.socket as TLSSocket).getPeerX509Certificate();
        const subject = certificate === undefined ? undefined : readCertificate(certificate.raw);
        const isOwn = subject?.commonName === `system:node:${node}` && subject.organizations.includes("system:nodes");
        return isOwn ? undefined : "the certificate is another node's";
    }

    #open(node: string, request: IncomingMessage, socket: WebSocket): void {
        const { clock, log } = this.#ports;
        const windowBytes = windowOf(request);
        const tunnel = new Tunnel(socket, { clock, windowBytes });
        const address = String(request.headers["sessioninternalip"] ?? request.socket.remoteAddress);
        const before = this.#sessions.get(node);
        this.#sessions.set(node, { tunnel, address });
        before?.tunnel.close("the node has opened another tunnel");
        tunnel.on("closed", (reason) => {
            if (this.#sessions.get(node)?.tunnel === tunnel) this.#sessions.delete(node);
            log.debug("tunnel closed", { node, reason });
            this.#changed();
        });
        // The cloud opens connections, the edge does not.
        tunnel.on("connect", (_type, _data, stream) => void stream.destroy());
        this.#watch(tunnel, socket);
        log.debug("tunnel opened", { node, address, windows: windowBytes !== undefined });
        this.#changed();
    }

    /** Closes the tunnel of an edge that has fallen silent. */
    #watch(tunnel: Tunnel, socket: WebSocket): void {
        let isHeard = true;
        const heard = (): void => {
            isHeard = true;
        };
        socket.on("ping", heard);
        socket.on("message", heard);
        const look = (): void => {
            // While it is held back nothing can be heard of it.
            if (!isHeard && !socket.isPaused) tunnel.close("nothing was heard of the node");
            isHeard = false;
            timer = this.#ports.clock.after(SILENCE_MS, look);
        };
        let timer = this.#ports.clock.after(SILENCE_MS, look);
        tunnel.on("closed", () => timer.cancel());
    }
}

function windowOf(request: IncomingMessage): number | undefined {
    const value = Number(request.headers[TUNNEL_HEADER]);
    // Both ends use the same number: the smaller one would do, but there is one version of this so far.
    return value === WINDOW_BYTES ? value : undefined;
}
