// SPDX-License-Identifier: Apache-2.0
import { Duplex } from "node:stream";
import type { SpdyHeaders } from "./spdy-headers.ts";

/** What a stream asks of its connection. */
export interface SpdyHost {
    sendData(streamId: number, data: Buffer, isLast: boolean, sent: (error?: Error | null) => void): void;
    reset(streamId: number): void;
    /** Its reader is behind, or has caught up. */
    setBlocked(stream: SpdyStream, isBlocked: boolean): void;
    gone(stream: SpdyStream): void;
}

/** Kept small enough for the streams of a connection to take turns. */
const FRAME_BYTES = 32 * 1024;

export class SpdyStream extends Duplex {
    readonly streamId: number;
    readonly headers: SpdyHeaders;
    readonly #host: SpdyHost;

    constructor(streamId: number, headers: SpdyHeaders, host: SpdyHost) {
        super();
        this.streamId = streamId;
        this.headers = headers;
        this.#host = host;
    }

    receive(data: Buffer, isLast: boolean): void {
        if (this.destroyed || this.readableEnded) return;
        if (data.length > 0 && !this.push(data)) this.#host.setBlocked(this, true);
        if (isLast) this.push(null);
    }

    override _read(): void {
        this.#host.setBlocked(this, false);
    }

    override _write(chunk: Buffer, _encoding: BufferEncoding, sent: (error?: Error | null) => void): void {
        const send = (from: number): void => {
            const part = chunk.subarray(from, from + FRAME_BYTES);
            const next = from + part.length;
            this.#host.sendData(this.streamId, part, false, (error) => {
                if (error || next >= chunk.length) sent(error);
                else send(next);
            });
        };
        send(0);
    }

    override _final(sent: (error?: Error | null) => void): void {
        this.#host.sendData(this.streamId, Buffer.alloc(0), true, sent);
    }

    override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
        if (!this.writableFinished || !this.readableEnded) this.#host.reset(this.streamId);
        this.#host.setBlocked(this, false);
        this.#host.gone(this);
        done(error);
    }
}
