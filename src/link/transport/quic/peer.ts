// SPDX-License-Identifier: Apache-2.0
import { X509Certificate } from "node:crypto";
import type { Closed } from "../connection.ts";
import type { Address, QuicheConnection, QuicheError } from "./library.ts";

/** Largest datagram sent: passes every path that QUIC can use at all, tunnels and mobile networks too. */
export const DATAGRAM_BYTES = 1_200;
/** WebSocket's code for a connection that ended without a goodbye. */
export const CUT = 1006;
/** Enough for any stream chunk; what is read is copied out. */
const scratch = Buffer.allocUnsafe(65_536);
const CRYPTO_ERRORS = 0x100;
/** How the reason of an end begins that TLS brought about. */
export const TLS_ALERT = "TLS alert";

export interface PeerEvents {
    /** TLS is through, with a valid certificate of the peer. */
    established(): void;
    /** Something arrived or left: streams may have more to read, or room to write. */
    progress(): void;
    /** Exactly once. */
    ended(how: Closed): void;
}

/**
 * Drives one QUIC connection: datagrams in and out, its timer, its end. Whatever happens within one turn of the event
 * loop is answered together at its end.
 */
export class QuicPeer {
    readonly #connection: QuicheConnection;
    readonly #transmit: (datagram: Buffer, to: Address) => void;
    readonly #local: Address;
    #events: PeerEvents | undefined;
    #established = false;
    #turn: NodeJS.Immediate | undefined;
    #timer: NodeJS.Timeout | undefined;
    #over: Closed | undefined;
    /** Datagrams that were taken. */
    received = 0;

    constructor(
        connection: QuicheConnection,
        local: Address,
        transmit: (datagram: Buffer, to: Address) => void,
        events: PeerEvents,
    ) {
        this.#connection = connection;
        this.#local = local;
        this.#transmit = transmit;
        this.#events = events;
        this.wake();
    }

    get established(): boolean {
        return this.#established;
    }

    /** The peer's verified certificate. */
    certificate(): X509Certificate | undefined {
        const [leaf] = this.#connection.peerCertChain() ?? [];
        return leaf === undefined ? undefined : new X509Certificate(leaf);
    }

    receive(datagram: Buffer, from: Address): void {
        if (this.#over !== undefined) return;
        try {
            this.#connection.recv(datagram, { from, to: this.#local });
            this.received += 1;
        } catch {
            // quiche has closed the connection by itself where it must be; the turn finds out and says why.
        }
        this.wake();
    }

    /** Answers at the end of this turn of the event loop. */
    wake(): void {
        if (this.#over === undefined) this.#turn ??= setImmediate(() => this.#onTurn());
    }

    /** Asks for an acknowledgement. */
    ping(): void {
        if (this.#over !== undefined) return;
        this.#connection.sendAckEliciting();
        this.wake();
    }

    /** The bytes that a stream has, copied; undefined for none. @throws when the peer cut or ended the stream */
    read(stream: number): Buffer | undefined {
        if (this.#over !== undefined || !this.#connection.streamReadable(stream)) return undefined;
        const result = this.#connection.streamRecv(stream, scratch);
        if (result === null) return undefined;
        const [length, last] = result;
        if (last) throw new Error("the peer ended a stream");
        return Buffer.from(scratch.subarray(0, length));
    }

    /** How many bytes a stream took. @throws when the peer refuses the stream */
    write(stream: number, bytes: Buffer): number {
        return this.#over === undefined ? (this.#connection.streamSend(stream, bytes, false) ?? 0) : 0;
    }

    prioritise(stream: number): void {
        this.#connection.streamPriority(stream, 0, false);
    }

    /** Ends the connection now; what was not sent is lost. `code` is told to the peer, the end to `ended` in a later turn. */
    cut(code: number, reason: string): void {
        if (this.#over !== undefined) return;
        this.#connection.close(true, code, Buffer.from(reason.slice(0, 120)));
        this.#flush();
        this.#end({ code, reason });
    }

    #onTurn(): void {
        this.#turn = undefined;
        if (this.#over !== undefined) return;
        if (!this.#established && this.#connection.isEstablished()) {
            this.#established = true;
            this.#events?.established();
        }
        if (this.#established) this.#events?.progress();
        if (this.#over !== undefined) return;
        this.#flush();
        if (this.#connection.isClosed() || this.#connection.isDraining()) this.#end(this.#whatEnded());
        else this.#arm();
    }

    #flush(): void {
        for (;;) {
            const datagram = Buffer.allocUnsafe(DATAGRAM_BYTES);
            const sent = this.#connection.send(datagram);
            if (sent === null) return;
            this.#transmit(datagram.subarray(0, sent[0]), sent[1].to);
        }
    }

    #arm(): void {
        clearTimeout(this.#timer);
        const timeoutMs = this.#connection.timeout();
        if (timeoutMs === null) return;
        // One more, or the timer may come before quiche thinks that the time has passed.
        this.#timer = setTimeout(() => {
            this.#connection.onTimeout();
            this.#onTurn();
        }, timeoutMs + 1).unref();
    }

    #whatEnded(): Closed {
        const peer = this.#connection.peerError();
        if (peer !== null) return { code: peer.isApp ? peer.errorCode : CUT, reason: describe(peer) };
        const local = this.#connection.localError();
        return { code: CUT, reason: local === null ? "no answer" : describe(local) };
    }

    #end(how: Closed): void {
        this.#over = how;
        clearTimeout(this.#timer);
        clearImmediate(this.#turn);
        const events = this.#events;
        this.#events = undefined;
        setImmediate(() => events?.ended(how));
    }
}

function describe({ isApp, errorCode, reason }: QuicheError): string {
    const text = Buffer.from(reason).toString("utf8");
    if (isApp || text !== "") return text;
    const alert = errorCode - CRYPTO_ERRORS;
    return alert >= 0 ? `${TLS_ALERT} ${alert}${alertName(alert)}` : `QUIC error ${errorCode}`;
}

/** Names of the alerts that certificates cause (RFC 8446, section 6). */
const ALERTS: Readonly<Record<number, string>> = {
    40: "handshake_failure",
    42: "bad_certificate",
    43: "unsupported_certificate",
    45: "certificate_expired",
    46: "certificate_unknown",
    48: "unknown_ca",
    116: "certificate_required",
    120: "no_application_protocol",
};

function alertName(alert: number): string {
    const name = ALERTS[alert];
    return name === undefined ? "" : ` (${name})`;
}
