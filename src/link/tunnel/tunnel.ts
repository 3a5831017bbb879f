// SPDX-License-Identifier: Apache-2.0
import type { RawData, WebSocket } from "ws";
import type { Clock, Timer } from "../../core/clock.ts";
import { Emitter } from "../../core/emitter.ts";
import { decodeTunnelMessage, encodeTunnelMessage, readUvarint, TunnelType, uvarint } from "./message.ts";
import { type StreamHost, TunnelStream } from "./stream.ts";

export interface TunnelOptions {
    readonly clock: Clock;
    /** Agreed with the peer in the handshake; undefined for stock KubeEdge. */
    readonly windowBytes: number | undefined;
}

export type TunnelEvents = {
    /** The peer opened a connection of that type; the data says what for. */
    connect: [type: number, data: Buffer, stream: TunnelStream];
    closed: [reason: string];
};

/** One message of data. Small enough for turns to come round quickly, large enough for throughput. */
const CHUNK_BYTES = 16 * 1024;
/** What may wait in the socket before the connections wait instead, where fairness is kept. */
const SOCKET_BYTES = 256 * 1024;
/** Without windows: what one connection may leave unread before the whole tunnel is held back. */
const CROWDED_BYTES = 1024 * 1024;
/** Without windows: how long one connection may hold the others back before it is given up. */
const MAX_STALL_MS = 30_000;

/**
 * Many connections over one WebSocket (wire protocol, section 7.2). Sending connections take turns. Where both ends are
 * Redge each connection has a window of its own, so a slow reader delays itself only; a stock peer is held back as a
 * whole, and a reader that stays stuck is dropped.
 */
export class Tunnel extends Emitter<TunnelEvents> {
    readonly #socket: WebSocket;
    readonly #options: TunnelOptions;
    readonly #streams = new Map<number, TunnelStream>();
    readonly #queue = new Set<TunnelStream>();
    readonly #crowded = new Map<TunnelStream, Timer>();
    #lastId = 0;
    #isClosed = false;
    readonly #host: StreamHost = {
        ready: (stream) => {
            this.#queue.add(stream);
            this.#pump();
        },
        grant: (stream, bytes) => this.#send(stream.connectId, TunnelType.window, uvarint(bytes)),
        remove: (stream) => this.#send(stream.connectId, TunnelType.remove, Buffer.alloc(0)),
        crowded: (stream, isCrowded) => this.#setCrowded(stream, isCrowded),
        gone: (stream) => {
            this.#queue.delete(stream);
            if (this.#streams.get(stream.connectId) === stream) this.#streams.delete(stream.connectId);
        },
    };

    constructor(socket: WebSocket, options: TunnelOptions) {
        super();
        this.#socket = socket;
        this.#options = options;
        socket.on("message", (raw: RawData) => this.#receive(toBuffer(raw)));
        socket.on("close", (code, reason) => this.#closed(reason.toString() || `closed (${code})`));
        socket.on("error", (error) => this.#closed(error.message));
    }

    /** Connections open now. */
    get size(): number {
        return this.#streams.size;
    }

    /** True where the peer is Redge too. */
    get hasWindows(): boolean {
        return this.#options.windowBytes !== undefined;
    }

    /** Opens a connection; the cloud end does. @param data makes the first message's data from the connection's id */
    open(type: number, data: (connectId: number) => Buffer): TunnelStream {
        this.#lastId += 1;
        const stream = this.#create(this.#lastId);
        this.#send(stream.connectId, type, data(stream.connectId));
        return stream;
    }

    /** Tells the edge why, then closes. */
    closeWith(reason: string): void {
        this.#send(0, TunnelType.close, Buffer.from(reason, "utf8"));
        this.close(reason);
    }

    close(reason: string): void {
        this.#closed(reason);
        this.#socket.close();
    }

    #create(connectId: number): TunnelStream {
        const { windowBytes } = this.#options;
        const stream = new TunnelStream(connectId, this.#host, { windowBytes, crowdedBytes: CROWDED_BYTES });
        // Whoever uses the connection hears of its end by 'close'; a cut tunnel must not bring the process down.
        stream.on("error", () => {});
        this.#streams.set(connectId, stream);
        return stream;
    }

    #receive(bytes: Buffer): void {
        const message = decodeTunnelMessage(bytes);
        if (message === undefined || this.#isClosed) return;
        const { connectId, type, data } = message;
        const stream = this.#streams.get(connectId);
        switch (type) {
            case TunnelType.data:
                stream?.receive(data);
                return;
            case TunnelType.remove:
                stream?.peerRemoved();
                return;
            case TunnelType.window:
                stream?.addCredit(readUvarint(data, 0)?.value ?? 0);
                return;
            case TunnelType.close:
                this.close(data.toString("utf8"));
                return;
            default:
                stream?.destroy(new Error("the peer opened the connection anew"));
                this.emit("connect", type, data, this.#create(connectId));
        }
    }

    /** One message of each waiting connection in turn, while the socket takes it. */
    #pump(): void {
        for (const stream of this.#queue) {
            if (this.#socket.bufferedAmount >= SOCKET_BYTES) return;
            this.#queue.delete(stream);
            const part = stream.nextPart(CHUNK_BYTES);
            if (part === undefined) continue;
            this.#send(stream.connectId, TunnelType.data, part, () => this.#pump());
            if (stream.isReady) this.#queue.add(stream); // Behind the others: a Set keeps the order of adding.
        }
    }

    #send(connectId: number, type: number, data: Buffer, sent: () => void = () => {}): void {
        if (this.#isClosed || this.#socket.readyState !== this.#socket.OPEN) return;
        // Stock CloudCore closes the tunnel on anything but text messages, although the data is binary.
        this.#socket.send(encodeTunnelMessage({ connectId, type, data }), { binary: false }, sent);
    }

    #setCrowded(stream: TunnelStream, isCrowded: boolean): void {
        this.#crowded.get(stream)?.cancel();
        this.#crowded.delete(stream);
        if (isCrowded) {
            const giveUp = (): void => {
                stream.destroy(new Error("its reader is stuck"));
            };
            this.#crowded.set(stream, this.#options.clock.after(MAX_STALL_MS, giveUp));
        }
        if (this.#crowded.size > 0) this.#socket.pause();
        else this.#socket.resume();
    }

    #closed(reason: string): void {
        if (this.#isClosed) return;
        this.#isClosed = true;
        for (const stream of [...this.#streams.values()]) stream.destroy(new Error(`the tunnel was closed: ${reason}`));
        for (const timer of this.#crowded.values()) timer.cancel();
        this.emit("closed", reason);
    }
}

function toBuffer(raw: RawData): Buffer {
    if (Buffer.isBuffer(raw)) return raw;
    return Array.isArray(raw) ? Buffer.concat(raw) : Buffer.from(raw);
}
