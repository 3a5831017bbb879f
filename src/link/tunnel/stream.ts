// SPDX-License-Identifier: Apache-2.0
import { Duplex } from "node:stream";

/** What a connection asks of the tunnel it runs in. */
export interface StreamHost {
    /** It has something to send: `nextPart` will be called when it is its turn. */
    ready(stream: TunnelStream): void;
    grant(stream: TunnelStream, bytes: number): void;
    remove(stream: TunnelStream): void;
    /** Too much is waiting for its reader, or no longer; only where windows were not agreed on. */
    crowded(stream: TunnelStream, isCrowded: boolean): void;
    /** It is over for both ends. */
    gone(stream: TunnelStream): void;
}

export interface StreamLimits {
    /** Bytes each end may have on the way unread; undefined where the peer knows no windows. */
    readonly windowBytes: number | undefined;
    /** Without windows: the tunnel is held back while a connection has more than this unread. */
    readonly crowdedBytes: number;
}

/** One connection inside a tunnel. Ending or destroying either end removes it at both, as KubeEdge has it. */
export class TunnelStream extends Duplex {
    readonly connectId: number;
    readonly #host: StreamHost;
    readonly #limits: StreamLimits;
    #credit: number;
    #outgoing: Buffer | undefined;
    #sent: ((error?: Error | null) => void) | undefined;
    #received = 0;
    #granted = 0;
    #isCrowded = false;
    #removed = false;

    constructor(connectId: number, host: StreamHost, limits: StreamLimits) {
        super({ readableHighWaterMark: 64 * 1024, writableHighWaterMark: 64 * 1024, emitClose: true });
        this.connectId = connectId;
        this.#host = host;
        this.#limits = limits;
        this.#credit = limits.windowBytes ?? Number.POSITIVE_INFINITY;
    }

    /** The next bytes to send, at most `maxBytes` and what the peer has room for. */
    nextPart(maxBytes: number): Buffer | undefined {
        const outgoing = this.#outgoing;
        const size = Math.min(maxBytes, this.#credit);
        if (outgoing === undefined || size === 0) return undefined;
        const part = outgoing.subarray(0, size);
        this.#credit -= part.length;
        if (part.length < outgoing.length) this.#outgoing = outgoing.subarray(part.length);
        else this.#written();
        return part;
    }

    get isReady(): boolean {
        return this.#outgoing !== undefined && this.#credit > 0;
    }

    /** Data from the peer. */
    receive(data: Buffer): void {
        if (this.destroyed || this.#removed) return;
        this.#received += data.length;
        if (this.#limits.windowBytes !== undefined && this.#received - this.#granted > this.#limits.windowBytes) {
            this.destroy(new Error("the peer sent more than there was room for"));
            return;
        }
        this.push(data);
        this.#account();
    }

    /** The peer has room for more. */
    addCredit(bytes: number): void {
        this.#credit += bytes;
        if (this.isReady) this.#host.ready(this);
    }

    /** The peer removed the connection: what it sent is still read, what is written goes nowhere. */
    peerRemoved(): void {
        if (this.destroyed) return;
        this.#removed = true;
        this.#written();
        this.#endReading();
        if (!this.writableEnded) this.end();
    }

    /** Every way of reading comes through here; `_read` would tell of the first bytes taken only. */
    override read(size?: number): unknown {
        const chunk: unknown = super.read(size);
        this.#account();
        return chunk;
    }

    override _read(): void {}

    override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
        if (this.#removed) {
            done();
            return;
        }
        this.#outgoing = chunk;
        this.#sent = done;
        if (this.isReady) this.#host.ready(this);
    }

    override _final(done: (error?: Error | null) => void): void {
        this.#remove();
        this.#endReading();
        done();
    }

    override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
        this.#remove();
        if (this.#isCrowded) this.#host.crowded(this, false);
        this.#host.gone(this);
        done(error);
    }

    #remove(): void {
        if (this.#removed) return;
        this.#removed = true;
        this.#host.remove(this);
    }

    #endReading(): void {
        this.push(null);
        // With nobody reading it would stay for good; a reader that is behind is not hurried.
        if (this.readableFlowing === null) this.resume();
    }

    #written(): void {
        const done = this.#sent;
        this.#outgoing = undefined;
        this.#sent = undefined;
        // Later: the next write must not overtake the part that is being sent.
        if (done !== undefined) process.nextTick(done);
    }

    /** Gives the peer room for what has been read, in portions worth a message. */
    #account(): void {
        const { windowBytes, crowdedBytes } = this.#limits;
        const unread = this.readableLength;
        if (windowBytes !== undefined) {
            const due = this.#received - unread - this.#granted;
            if (due * 2 < windowBytes || this.#removed) return;
            this.#granted += due;
            this.#host.grant(this, due);
            return;
        }
        const isCrowded = unread > (this.#isCrowded ? crowdedBytes / 2 : crowdedBytes);
        if (isCrowded === this.#isCrowded) return;
        this.#isCrowded = isCrowded;
        this.#host.crowded(this, isCrowded);
    }
}
