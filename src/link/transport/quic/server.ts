// SPDX-License-Identifier: Apache-2.0
import { createHmac, randomBytes } from "node:crypto";
import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { lookup } from "node:dns/promises";
import { errorText, RedgeError } from "../../../core/errors/redge-error.ts";
import type { Logger } from "../../../core/log.ts";
import type { TlsMaterial } from "../../identity/ports.ts";
import { CloseCode } from "../../session.ts";
import type { Closed } from "../connection.ts";
import { QuicConnection } from "./connection.ts";
import { type Address, loadQuiche, type Quiche, type QuicheConfig, type QuicheHeader } from "./library.ts";
import { DATAGRAM_BYTES, QuicPeer, TLS_ALERT } from "./peer.ts";
import { RetryTokens } from "./retry-token.ts";
import { derivedKey, quicConfig } from "./tls.ts";

export interface QuicServerOptions {
    readonly host: string;
    /** UDP; 0 takes a free one. */
    readonly port: number;
    readonly maxMessageBytes: number;
    readonly log: Logger;
    /** TLS is through and the peer has said hello. */
    greeted(connection: QuicConnection, peer: QuicPeer, hello: string, from: Address): void;
}

const ID_BYTES = 16;
const INITIAL = 0;
const SHORT = 5;
/** Smallest first datagram of a client (RFC 9000, section 14.1): an answer is never larger than the question. */
const FIRST_BYTES = 1_200;
/** A connection that says nothing for so long is dropped; edges ask for a sign of life much more often. */
const IDLE_MS = 60_000;
/** From the first datagram to hello. */
const GREETING_MS = 10_000;
/** Connections that have not said hello yet, at the same time. */
const MAX_STRANGERS = 1_024;
/** Room for the datagrams of many edges that come within one turn of the event loop. */
const SOCKET_BYTES = 4 * 1024 * 1024;

/** Listens on one UDP port; hands over connections whose peers have a certificate of the CA. */
export class QuicServer {
    readonly #options: QuicServerOptions;
    readonly #tokens = new RetryTokens(randomBytes(32));
    readonly #peers = new Map<string, QuicPeer>();
    #quiche: Quiche | undefined;
    #config: QuicheConfig | undefined;
    #resetKey: Buffer = randomBytes(32);
    #socket: Socket | undefined;
    #local: Address = { host: "", port: 0 };
    #strangers = 0;
    #sending = 0;
    #stopped = false;

    constructor(options: QuicServerOptions) {
        this.#options = options;
    }

    /** The UDP port in use, once started. */
    get port(): number {
        return this.#local.port;
    }

    /** @throws REDGE_LINK_QUIC_LIBRARY, REDGE_LINK_LISTEN */
    async start(material: TlsMaterial): Promise<void> {
        this.#quiche = await loadQuiche();
        this.use(material);
        const { host, port } = this.#options;
        try {
            const { address, family } = await lookup(host);
            const type = family === 6 ? "udp6" : "udp4";
            // Addresses are all this socket sends to: there is nothing to look up.
            const socket = createSocket({ type, lookup: (to, _options, done) => done(null, to, family) });
            await new Promise<void>((resolve, reject) => {
                socket.once("error", reject);
                socket.bind(port, address, resolve);
            });
            socket.removeAllListeners("error");
            this.#listen(socket);
        } catch (thrown) {
            throw new RedgeError("REDGE_LINK_LISTEN", { host, port: `${port}/udp`, reason: errorText(thrown) }, thrown);
        }
    }

    /** Certificate and key for connections from now on. */
    use(material: TlsMaterial): void {
        if (this.#quiche === undefined) return;
        this.#config = quicConfig(this.#quiche, material, IDLE_MS);
        this.#resetKey = derivedKey(material, "resets");
    }

    /** Stops listening and cuts what is still open. */
    async stop(): Promise<void> {
        const socket = this.#socket;
        if (socket === undefined || this.#stopped) return;
        this.#stopped = true;
        for (const peer of [...this.#peers.values()]) peer.cut(CloseCode.serviceRestart, "CloudHub stops");
        this.#peers.clear();
        // Closing does not wait for datagrams that are on their way out, and these are the goodbyes.
        while (this.#sending > 0) await new Promise((resolve) => setImmediate(resolve));
        this.#socket = undefined;
        await new Promise<void>((resolve) => socket.close(resolve));
    }

    #listen(socket: Socket): void {
        const { log } = this.#options;
        const { address, port } = socket.address();
        this.#local = { host: address, port };
        this.#socket = socket;
        socket.on("error", (error) => log.warn("the QUIC listener's socket failed", { reason: errorText(error) }));
        try {
            socket.setRecvBufferSize(SOCKET_BYTES);
        } catch (thrown) {
            log.debug("the system gives the QUIC listener no larger buffer", { reason: errorText(thrown) });
        }
        socket.on("message", (datagram, from) => {
            try {
                this.#onDatagram(datagram, from);
            } catch (thrown) {
                log.debug("ignored a datagram", { from: from.address, reason: errorText(thrown) });
            }
        });
    }

    #onDatagram(datagram: Buffer, { address, port }: RemoteInfo): void {
        const quiche = this.#quiche;
        // Nothing could be answered to port 0.
        if (quiche === undefined || port === 0 || this.#stopped) return;
        const from = { host: address, port };
        let header: QuicheHeader;
        try {
            header = quiche.Header.fromSlice(datagram, ID_BYTES);
        } catch {
            return; // Not QUIC.
        }
        const peer = this.#peers.get(idText(header.dcid));
        if (peer !== undefined) peer.receive(datagram, from);
        else if (header.ty === SHORT) this.#reset(header.dcid, datagram.length, from);
        else if (datagram.length >= FIRST_BYTES) this.#first(quiche, header, datagram, from);
    }

    #first(quiche: Quiche, { ty, version, dcid, scid, token }: QuicheHeader, datagram: Buffer, from: Address): void {
        const answer = Buffer.allocUnsafe(DATAGRAM_BYTES);
        if (!quiche.versionIsSupported(version)) {
            this.#transmit(answer.subarray(0, quiche.negotiateVersion(scid, dcid, answer)), from);
            return;
        }
        if (ty !== INITIAL) return;
        if (token === undefined || token.length === 0) {
            const next = randomBytes(ID_BYTES);
            const fresh = this.#tokens.make(dcid, next, from, Date.now());
            this.#transmit(answer.subarray(0, quiche.retry(scid, dcid, next, fresh, version, answer)), from);
            return;
        }
        const original = this.#tokens.original(token, dcid, from, Date.now());
        if (original === undefined || this.#strangers >= MAX_STRANGERS) return;
        this.#accept(quiche, Buffer.from(dcid), original, from).receive(datagram, from);
    }

    #accept(quiche: Quiche, id: Buffer, original: Buffer, from: Address): QuicPeer {
        const config = this.#config;
        if (config === undefined) throw new Error("not started");
        config.setStatelessResetToken(BigInt(`0x${this.#resetToken(id).toString("hex")}`));
        const native = quiche.Connection.accept(id, original, this.#local, from, config);
        const { greeted, maxMessageBytes, log } = this.#options;
        const connection = new QuicConnection(maxMessageBytes);
        this.#strangers += 1;
        const patience = setTimeout(() => peer.cut(408, "no hello"), GREETING_MS).unref();
        let strange = true;
        const known = (): void => {
            clearTimeout(patience);
            if (strange) this.#strangers -= 1;
            strange = false;
        };
        const peer: QuicPeer = new QuicPeer(native, this.#local, (bytes, to) => this.#transmit(bytes, to), {
            established: () => connection.established(),
            progress: () => connection.progress(),
            ended: (how: Closed) => {
                // An alert is about a certificate; the rest is noise that any open port hears.
                const level = how.reason.startsWith(TLS_ALERT) ? "warn" : "debug";
                if (strange) log[level]("a QUIC connection was refused", { from: from.host, reason: how.reason });
                known();
                this.#peers.delete(idText(id));
                connection.ended(how);
            },
        });
        connection.attach(peer);
        connection.onGreeting = (hello) => {
            known();
            greeted(connection, peer, hello, from);
        };
        this.#peers.set(idText(id), peer);
        return peer;
    }

    /**
     * Tells the peer of a connection that this process knows nothing of, after a restart, that it is gone (RFC 9000,
     * section 10.3). Shorter than what it answers, so that two ends never go on resetting each other.
     */
    #reset(id: Uint8Array, length: number, to: Address): void {
        if (length < 43) return;
        const answer = randomBytes(Math.min(length - 1, 64));
        answer[0] = ((answer[0] ?? 0) & 0x3f) | 0x40;
        this.#resetToken(id).copy(answer, answer.length - 16);
        this.#transmit(answer, to);
    }

    #resetToken(id: Uint8Array): Buffer {
        return createHmac("sha256", this.#resetKey).update(id).digest().subarray(0, 16);
    }

    #transmit(datagram: Buffer, to: Address): void {
        // A datagram that cannot be sent is one that was lost: QUIC deals with it.
        if (this.#socket === undefined) return;
        this.#sending += 1;
        this.#socket.send(datagram, to.port, to.host, () => {
            this.#sending -= 1;
        });
    }
}

function idText(id: Uint8Array): string {
    return Buffer.from(id.buffer, id.byteOffset, id.byteLength).toString("latin1");
}
