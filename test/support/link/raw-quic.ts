// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from "node:crypto";
import type { Socket } from "node:dgram";
import type { TlsMaterial } from "../../../src/link/identity/ports.ts";
import type { Closed } from "../../../src/link/transport/connection.ts";
import { loadQuiche, type QuicheConnection } from "../../../src/link/transport/quic/library.ts";
import { QuicPeer } from "../../../src/link/transport/quic/peer.ts";
import { quicConfig } from "../../../src/link/transport/quic/tls.ts";
import { bound } from "./udp-relay.ts";

/** What `quiche` also has, for those who do not keep to the protocol. */
interface Misbehaving extends QuicheConnection {
    streamShutdown(stream: number, direction: 0 | 1, code: number): void;
    streamSend(stream: number, bytes: Uint8Array, last: boolean): number | null;
}

/** A client with a certificate and a handshake done, that writes whatever bytes it is told to on its streams. */
export class RawQuic {
    readonly #peer: QuicPeer;
    readonly #native: Misbehaving;
    readonly #ended: Promise<Closed>;
    #room: (() => void)[] = [];
    over = false;
    /** Everything the cloud wrote on stream 0. */
    heardBytes = 0;

    private constructor(native: QuicheConnection, socket: Socket, port: number, ready: () => void) {
        this.#native = native as Misbehaving;
        const remote = { host: "127.0.0.1", port };
        const local = { host: "127.0.0.1", port: socket.address().port };
        let end: (how: Closed) => void = () => {};
        this.#ended = new Promise((resolve) => {
            end = resolve;
        });
        this.#peer = new QuicPeer(native, local, (datagram) => socket.send(datagram, port, remote.host), {
            established: ready,
            progress: () => this.#progress(),
            ended: (how) => {
                this.over = true;
                socket.close();
                end(how);
                this.#progress();
            },
        });
        socket.on("message", (datagram) => this.#peer.receive(datagram, remote));
    }

    /** `hello`: the first frame, as bytes; undefined for none. */
    static async open(port: number, tls: TlsMaterial, hello?: Buffer): Promise<RawQuic> {
        const quiche = await loadQuiche();
        const socket = await bound();
        const { address: host, port: own } = socket.address();
        const native = quiche.Connection.connect(
            null,
            randomBytes(16),
            { host, port: own },
            { host: "127.0.0.1", port },
            quicConfig(quiche, tls, 30_000),
        );
        const raw = await new Promise<RawQuic>((resolve, reject) => {
            const opened: RawQuic = new RawQuic(native, socket, port, () => resolve(opened));
            void opened.ended().then(({ reason }) => reject(new Error(`no connection: ${reason}`)));
        });
        if (hello !== undefined) {
            await raw.write(0, hello);
            await raw.until(() => raw.heardBytes > 0);
        }
        return raw;
    }

    /** How the cloud, or `cut`, ended it. */
    ended(): Promise<Closed> {
        return this.#ended;
    }

    /** All of the bytes, as far as the connection lives. False when they could not be written. */
    async write(stream: number, bytes: Buffer, last = false): Promise<boolean> {
        let rest = bytes;
        try {
            // A stream that was shut takes nothing, for ever and without a word.
            for (let refused = 0; !this.over && refused < 20; ) {
                const took = this.#native.streamSend(stream, rest, last) ?? 0;
                rest = rest.subarray(took);
                if (rest.length === 0) break;
                if (took === 0) refused += 1;
                await this.settled();
            }
            this.#peer.wake();
        } catch {
            return false; // Not a stream of this client, or ended by it before.
        }
        return rest.length === 0 && !this.over;
    }

    shutdown(stream: number, direction: 0 | 1, code: number): void {
        try {
            this.#native.streamShutdown(stream, direction, code);
            this.#peer.wake();
        } catch {
            // quiche does not let this one out: it is no input.
        }
    }

    /** A round trip: whatever was written before has arrived, or the connection is over. */
    async settled(): Promise<void> {
        const before = this.#peer.received;
        this.#peer.ping();
        await this.until(() => this.#peer.received > before);
    }

    cut(code: number, reason: string): void {
        this.#peer.cut(code, reason);
    }

    async until(fits: () => boolean): Promise<void> {
        while (!fits() && !this.over) await this.#progressed();
    }

    #progressed(): Promise<void> {
        return new Promise((resolve) => this.#room.push(resolve));
    }

    #progress(): void {
        try {
            for (let bytes = this.#peer.read(0); bytes !== undefined; bytes = this.#peer.read(0)) {
                this.heardBytes += bytes.length;
            }
        } catch {
            // The cloud cut the stream; the end of the connection follows.
        }
        for (const resolve of this.#room.splice(0)) resolve();
    }
}
