// SPDX-License-Identifier: Apache-2.0
import type { Duplex } from "node:stream";
import { Emitter } from "../../../../core/emitter.ts";
import { SpdyHeaderCodec } from "./spdy-headers.ts";
import { type SpdyHost, SpdyStream } from "./spdy-stream.ts";

const Type = { synStream: 1, synReply: 2, rstStream: 3, ping: 6, goAway: 7 } as const;
const FLAG_FIN = 0x01;
const STATUS_PROTOCOL_ERROR = 1;
const STATUS_REFUSED = 3;
const STATUS_CANCEL = 5;
/** kubectl writes 32 KiB at a time; a frame beyond this is not one of a Kubernetes client. */
const MAX_FRAME_BYTES = 1024 * 1024;
/** Two a forwarded connection: plenty, and a bound. */
const MAX_STREAMS = 512;

export type SpdyEvents = {
    /** The client opened a stream; it has been answered. */
    stream: [stream: SpdyStream];
    closed: [];
};

/**
 * The server's end of SPDY/3.1 as Kubernetes uses it for exec, attach and port-forward: streams that the client opens,
 * data, pings. (Its clients, moby/spdystream, neither send nor heed window updates.)
 */
export class SpdyConnection extends Emitter<SpdyEvents> {
    readonly #socket: Duplex;
    readonly #codec = new SpdyHeaderCodec();
    readonly #streams = new Map<number, SpdyStream>();
    readonly #blocked = new Set<SpdyStream>();
    #buffer: Buffer = Buffer.alloc(0);
    #isReading = false;
    #writing: Promise<unknown> = Promise.resolve();
    #lastStreamId = 0;
    #isClosed = false;
    readonly #host: SpdyHost = {
        sendData: (id, data, isLast, sent) => this.#sendData(id, data, isLast, sent),
        reset: (id) => this.#control(Type.rstStream, 0, u32(id), u32(STATUS_CANCEL)),
        setBlocked: (stream, isBlocked) => this.#setBlocked(stream, isBlocked),
        gone: (stream) => this.#streams.delete(stream.streamId),
    };

    constructor(socket: Duplex) {
        super();
        this.#socket = socket;
    }

    /** @param head what came with the upgrade */
    start(head: Buffer): void {
        this.#socket.on("data", (chunk: Buffer) => this.#take(chunk));
        this.#socket.on("error", () => this.#closed());
        this.#socket.on("close", () => this.#closed());
        this.#socket.on("end", () => this.#closed());
        if (head.length > 0) this.#take(head);
    }

    /** Says goodbye and ends the connection when everything written is out. */
    close(): void {
        if (this.#isClosed) return;
        this.#control(Type.goAway, 0, u32(this.#lastStreamId), u32(0));
        void this.#writing.then(() => this.#socket.end());
    }

    #take(chunk: Buffer): void {
        this.#buffer = this.#buffer.length === 0 ? chunk : Buffer.concat([this.#buffer, chunk]);
        this.#readFrames().catch(() => this.#abort());
    }

    /** One run at a time: reading headers takes a while, and frames must not overtake each other. */
    async #readFrames(): Promise<void> {
        if (this.#isReading) return;
        this.#isReading = true;
        try {
            while (this.#buffer.length >= 8 && !this.#isClosed) {
                const size = this.#buffer.readUIntBE(5, 3);
                if (size > MAX_FRAME_BYTES) throw new Error("the frame is too large");
                if (this.#buffer.length < 8 + size) return;
                const frame = this.#buffer.subarray(0, 8 + size);
                this.#buffer = this.#buffer.subarray(8 + size);
                const word = frame.readUInt32BE(0);
                const flags = frame[4] ?? 0;
                const body = frame.subarray(8);
                if (word >>> 31 === 0) this.#streams.get(word)?.receive(body, (flags & FLAG_FIN) !== 0);
                else await this.#onControl(word & 0xffff, flags, body);
            }
        } finally {
            this.#isReading = false;
        }
    }

    async #onControl(type: number, flags: number, body: Buffer): Promise<void> {
        switch (type) {
            case Type.synStream:
                await this.#onSynStream(flags, body);
                return;
            case Type.rstStream:
                this.#streams.get(body.readUInt32BE(0))?.destroy();
                return;
            case Type.ping:
                this.#control(Type.ping, 0, body.subarray(0, 4));
                return;
            default: // Settings, window updates, goodbye: nothing to do.
        }
    }

    async #onSynStream(flags: number, body: Buffer): Promise<void> {
        const id = body.readUInt32BE(0) & 0x7fffffff;
        // Read in any case: the next block continues this one.
        const headers = await this.#codec.read(body.subarray(10));
        if (id === 0 || id % 2 === 0 || id <= this.#lastStreamId) throw new Error("the stream's number is wrong");
        this.#lastStreamId = id;
        if (this.#streams.size >= MAX_STREAMS) {
            this.#control(Type.rstStream, 0, u32(id), u32(STATUS_REFUSED));
            return;
        }
        const stream = new SpdyStream(id, headers, this.#host);
        stream.on("error", () => {}); // Its user hears of the end by 'close'.
        this.#streams.set(id, stream);
        this.#writing = this.#writing.then(async () => {
            if (!this.#isClosed) this.#frame(Type.synReply, 0, u32(id), await this.#codec.write({}));
        });
        this.emit("stream", stream);
        if ((flags & FLAG_FIN) !== 0) stream.receive(Buffer.alloc(0), true);
    }

    /** Frames leave in the order they were asked for, behind a reply that is still being compressed. */
    #control(type: number, flags: number, ...parts: readonly Buffer[]): void {
        this.#writing = this.#writing.then(() => this.#frame(type, flags, ...parts));
    }

    #frame(type: number, flags: number, ...parts: readonly Buffer[]): void {
        if (this.#isClosed || this.#socket.writableEnded) return;
        const body = Buffer.concat(parts);
        const head = Buffer.alloc(8);
        head.writeUInt16BE(0x8003, 0);
        head.writeUInt16BE(type, 2);
        head.writeUInt8(flags, 4);
        head.writeUIntBE(body.length, 5, 3);
        this.#socket.write(Buffer.concat([head, body]));
    }

    #sendData(id: number, data: Buffer, isLast: boolean, sent: (error?: Error | null) => void): void {
        this.#writing = this.#writing.then(() => {
            if (this.#isClosed || this.#socket.writableEnded) {
                sent();
                return;
            }
            const head = Buffer.alloc(8);
            head.writeUInt32BE(id, 0);
            head.writeUInt8(isLast ? FLAG_FIN : 0, 4);
            head.writeUIntBE(data.length, 5, 3);
            this.#socket.write(Buffer.concat([head, data]), (error) => sent(error ?? null));
        });
    }

    #setBlocked(stream: SpdyStream, isBlocked: boolean): void {
        if (isBlocked) this.#blocked.add(stream);
        else this.#blocked.delete(stream);
        if (this.#blocked.size > 0) this.#socket.pause();
        else this.#socket.resume();
    }

    #abort(): void {
        this.#control(Type.goAway, 0, u32(this.#lastStreamId), u32(STATUS_PROTOCOL_ERROR));
        void this.#writing.then(() => this.#socket.destroy());
    }

    #closed(): void {
        if (this.#isClosed) return;
        this.#isClosed = true;
        for (const stream of [...this.#streams.values()]) stream.destroy();
        this.#codec.close();
        this.#socket.end();
        this.emit("closed");
    }
}

function u32(value: number): Buffer {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(value);
    return bytes;
}
