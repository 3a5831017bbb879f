// SPDX-License-Identifier: Apache-2.0
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import { type WebSocket, WebSocketServer } from "ws";
import { errorText, isRedgeError, RedgeError } from "../../core/errors/redge-error.ts";
import type { Logger } from "../../core/log.ts";
import type { CloudIdentity } from "../../link/identity/ports.ts";
import { formatSession, NODE_HEADER, parseSession, SESSION_HEADER } from "../../link/session.ts";
import {
    certificateTrouble,
    type Entered,
    type Entrance,
    frontDoorOf,
    refuseUpgrade,
} from "../../link/transport/front-door.ts";
import { WebSocketConnection } from "../../link/transport/websocket.ts";
import type { Admission } from "./admission.ts";
import type { Bootstrap } from "./bootstrap.ts";
import type { CloudHubConfig } from "./config.ts";

/** What CloudHub listens for: HTTPS for certificates, WebSocket over mutual TLS for messages, on two ports or one. */
export class Listener {
    readonly #config: CloudHubConfig;
    readonly #identity: CloudIdentity;
    readonly #bootstrap: Bootstrap;
    readonly #log: Logger;
    readonly #admission: Admission;
    readonly #window: number;
    readonly #entered: Entered[] = [];
    readonly #upgrader: WebSocketServer;

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
        const { singlePort, websocketPort, httpsPort } = this.#config;
        await this.#enter(websocketPort, {
            upgrade: (request, socket, head) => this.#upgrade(request, socket, head),
        });
        await this.#enter(singlePort ? this.ports.websocket : httpsPort, {
            request: (request, response) => void this.#bootstrap.handle(request, response),
        });
    }

    /** Ports in use, once started; both the same where messages and certificates share one. */
    get ports(): { readonly websocket: number; readonly https: number } {
        const [messages, bootstrap = messages] = this.#entered.map(({ port }) => port);
        return { websocket: messages ?? 0, https: bootstrap ?? 0 };
    }

    /** Stops listening and cuts what is still open. */
    async stop(): Promise<void> {
        await Promise.all(this.#entered.splice(0).map((entered) => entered.leave()));
    }

    async #enter(port: number, entrance: Entrance): Promise<void> {
        const { host } = this.#config;
        try {
            this.#entered.push(await frontDoorOf(this.#identity, this.#log).enter({ host, port }, entrance));
        } catch (thrown) {
            if (isRedgeError(thrown)) throw thrown;
            throw new RedgeError("REDGE_LINK_LISTEN", { host, port, reason: errorText(thrown) }, thrown);
        }
    }

    #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
        const peer = request.socket as TLSSocket;
        const trouble = certificateTrouble(request);
        const certificate = trouble === undefined ? peer.getPeerX509Certificate() : undefined;
        const decision = this.#admission.decide(certificate, request.headers[NODE_HEADER], trouble);
        if (!("node" in decision)) {
            refuseUpgrade(socket, decision.status, decision.reason);
            return;
        }
        const { node } = decision;
        const redge = parseSession(request.headers[SESSION_HEADER]);
        const remoteAddress = (request.socket as Socket).remoteAddress ?? "";
        this.#upgrader.handleUpgrade(request, socket, head, (webSocket: WebSocket) => {
            this.#admission.joined({ node, connection: new WebSocketConnection(webSocket), redge, remoteAddress });
        });
    }
}
