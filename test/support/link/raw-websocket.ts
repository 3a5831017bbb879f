// SPDX-License-Identifier: Apache-2.0
import type { Duplex } from "node:stream";

interface Pending<T> {
    readonly fits: (item: T) => boolean;
    readonly resolve: (item: T) => void;
    readonly reject: (error: Error) => void;
}

/** Items that arrive, and waiting for them in any order. */
export class Inbox<T> {
    readonly #items: T[] = [];
    readonly #pending = new Set<Pending<T>>();

    put(item: T): void {
        for (const waiting of this.#pending) {
            if (!waiting.fits(item)) continue;
            this.#pending.delete(waiting);
            waiting.resolve(item);
            return;
        }
        this.#items.push(item);
    }

    /** Takes the first item that fits, now or when it comes. */
    async take(what: string, fits: (item: T) => boolean = () => true, timeoutMs = 60_000): Promise<T> {
        const at = this.#items.findIndex(fits);
        if (at >= 0) return this.#items.splice(at, 1)[0] as T;
        return await new Promise<T>((resolve, reject) => {
            const waiting = {
                fits,
                resolve: (item: T) => {
                    clearTimeout(timer);
                    resolve(item);
                },
                reject,
            };
            const timer = setTimeout(() => {
                this.#pending.delete(waiting);
                reject(new Error(`${what} did not come; there is: ${JSON.stringify(this.#items).slice(0, 800)}`));
            }, timeoutMs);
            this.#pending.add(waiting);
        });
    }

    /** What nobody took. */
    get rest(): readonly T[] {
        return this.#items;
    }
}

/** The byte level of one end of a WebSocket: writes what it is told, reads messages with their fragments put together. */
export class RawWebSocket {
    readonly heads = new Inbox<string>();
    readonly messages = new Inbox<string>();
    readonly closed: Promise<{ readonly code: number | undefined }>;
    readonly #socket: Duplex;
    #buffer = Buffer.alloc(0);
    #headRead = false;
    #parts: Buffer[] = [];
    #code: number | undefined;

    constructor(socket: Duplex) {
        this.#socket = socket;
        socket.on("data", (bytes: Buffer) => {
            this.#buffer = Buffer.concat([this.#buffer, bytes]);
            this.#read();
        });
        socket.on("error", () => {});
        this.closed = new Promise((resolve) => socket.once("close", () => resolve({ code: this.#code })));
    }

    write(bytes: Buffer | string): void {
        this.#socket.write(bytes);
    }

    /** One message as a text frame; masked as clients must. */
    send(text: string, masked: boolean): void {
        this.write(frame(Buffer.from(text), masked));
    }

    destroy(): void {
        this.#socket.destroy();
    }

    #read(): void {
        if (!this.#headRead) {
            const end = this.#buffer.indexOf("\r\n\r\n");
            if (end < 0) return;
            this.#headRead = true;
            this.heads.put(this.#buffer.subarray(0, end + 4).toString("latin1"));
            this.#buffer = this.#buffer.subarray(end + 4);
        }
        for (let read = readFrame(this.#buffer); read !== undefined; read = readFrame(this.#buffer)) {
            this.#buffer = this.#buffer.subarray(read.size);
            if (read.opcode === 8) this.#code = read.payload.length >= 2 ? read.payload.readUInt16BE(0) : 1005;
            if (read.opcode > 2) continue;
            this.#parts.push(read.payload);
            if (!read.fin) continue;
            this.messages.put(Buffer.concat(this.#parts).toString("utf8"));
            this.#parts = [];
        }
    }
}

export function frame(payload: Buffer, masked: boolean, opcode = 1): Buffer {
    const { length } = payload;
    const head = Buffer.alloc(length < 126 ? 2 : length < 65_536 ? 4 : 10);
    head[0] = 0x80 | opcode;
    head[1] = (masked ? 0x80 : 0) | (length < 126 ? length : length < 65_536 ? 126 : 127);
    if (head.length === 4) head.writeUInt16BE(length, 2);
    if (head.length === 10) head.writeBigUInt64BE(BigInt(length), 2);
    if (!masked) return Buffer.concat([head, payload]);
    const key = Buffer.from([1, 2, 3, 4]);
    return Buffer.concat([head, key, payload.map((byte, at) => byte ^ (key[at % 4] ?? 0))]);
}

export function readFrame(
    bytes: Buffer,
): { readonly size: number; readonly fin: boolean; readonly opcode: number; readonly payload: Buffer } | undefined {
    if (bytes.length < 2) return undefined;
    const [first = 0, second = 0] = bytes;
    let length = second & 0x7f;
    let at = 2;
    if (length === 126) {
        if (bytes.length < 4) return undefined;
        length = bytes.readUInt16BE(2);
        at = 4;
    } else if (length === 127) {
        if (bytes.length < 10) return undefined;
        length = Number(bytes.readBigUInt64BE(2));
        at = 10;
    }
    const key = (second & 0x80) === 0 ? undefined : bytes.subarray(at, at + 4);
    if (key !== undefined) at += 4;
    if (bytes.length < at + length) return undefined;
    const masked = bytes.subarray(at, at + length);
    const payload = key === undefined ? Buffer.from(masked) : masked.map((byte, index) => byte ^ (key[index % 4] ?? 0));
    return { size: at + length, fin: (first & 0x80) !== 0, opcode: first & 0x0f, payload: Buffer.from(payload) };
}
