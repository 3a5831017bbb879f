// SPDX-License-Identifier: Apache-2.0
import { errorText } from "../../core/errors/redge-error.ts";
import { asRecord } from "../../core/json.ts";
import type { Logger } from "../../core/log.ts";
import type { CloudIdentity } from "../../link/identity/ports.ts";
import { CloseCode, formatSession, NODE_HEADER, parseSession, SESSION_HEADER } from "../../link/session.ts";
import type { QuicConnection } from "../../link/transport/quic/connection.ts";
import { parseJson } from "../../link/transport/quic/frames.ts";
import type { Address } from "../../link/transport/quic/library.ts";
import type { QuicPeer } from "../../link/transport/quic/peer.ts";
import { QuicServer } from "../../link/transport/quic/server.ts";
import type { Admission } from "./admission.ts";
import type { CloudHubConfig } from "./config.ts";

/** CloudHub's third listener: messages over QUIC, for Redge edges that ask for it. Same rules as the WebSocket's. */
export class QuicListener {
    readonly #identity: CloudIdentity;
    readonly #admission: Admission;
    readonly #window: number;
    readonly #log: Logger;
    readonly #server: QuicServer;
    #unlisten: (() => void) | undefined;

    constructor(
        { host, quicPort, maxMessageBytes }: CloudHubConfig,
        identity: CloudIdentity,
        admission: Admission,
        log: Logger,
        window: number,
    ) {
        this.#identity = identity;
        this.#admission = admission;
        this.#log = log;
        this.#window = window;
        this.#server = new QuicServer({
            host,
            port: quicPort,
            maxMessageBytes,
            log,
            greeted: (connection, peer, hello, from) => this.#greeted(connection, peer, hello, from),
        });
    }

    /** The UDP port in use, once started. */
    get port(): number {
        return this.#server.port;
    }

    /** @throws REDGE_LINK_QUIC_LIBRARY, REDGE_LINK_LISTEN */
    async start(): Promise<void> {
        await this.#server.start(await this.#identity.serverTls());
        this.#unlisten = this.#identity.onRenewed(() => void this.#renew());
    }

    async stop(): Promise<void> {
        this.#unlisten?.();
        await this.#server.stop();
    }

    async #renew(): Promise<void> {
        try {
            this.#server.use(await this.#identity.serverTls());
        } catch (thrown) {
            this.#log.error("the renewed certificate cannot be used for QUIC", { reason: errorText(thrown) });
        }
    }

    #greeted(connection: QuicConnection, peer: QuicPeer, text: string, from: Address): void {
        const hello = asRecord(parseJson(text));
        const said = hello[SESSION_HEADER];
        const redge = parseSession(typeof said === "string" ? said : undefined);
        const decision = this.#admission.decide(peer.certificate(), hello[NODE_HEADER]);
        if (!("node" in decision)) {
            connection.close(decision.status, decision.reason);
            return;
        }
        if (redge === undefined) {
            connection.close(CloseCode.invalidMessage, `${SESSION_HEADER} is missing or of another version`);
            return;
        }
        connection.greet({ [SESSION_HEADER]: formatSession({ version: 1, window: this.#window }) });
        this.#admission.joined({ node: decision.node, connection, redge, remoteAddress: from.host });
    }
}
