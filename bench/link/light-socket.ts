// SPDX-License-Identifier: Apache-2.0
import { type SecureContext, type TLSSocket, connect as tlsConnect } from "node:tls";

export interface LightSocketOptions {
    readonly host: string;
    readonly port: number;
    readonly path: string;
    readonly headers: Readonly<Record<string, string>>;
    readonly context: SecureContext;
    readonly ticket: Buffer | undefined;
}

export interface LightSocketHandlers {
    opened(): void;
    message(text: string): void;
    ticket(ticket: Buffer): void;
    /** Exactly once; `why` in words when it never opened. */
    closed(why: string): void;
}

const TEXT = 1;
const CLOSE = 8;
const PING = 9;
const PONG = 10;
/** Of all bits of a frame's first byte, the one that says that nothing follows. */
const LAST = 0x80;
/** A mask of zeros: the protocol wants one, and nobody's proxy is protected here. */
const MASK_BYTES = 4;

/**
 * The least of a WebSocket client (RFC 6455), without a library: a load that shares the machine with what it loads must
 * cost little itself. It believes what the server sends.
 */
export class LightSocket {
    readonly #socket: TLSSocket;
    readonly #handlers: LightSocketHandlers;
    #unread: Buffer = Buffer.alloc(0);
    #fragments: Buffer[] = [];
    #why = "";
    open = false;

    constructor(options: LightSocketOptions, handlers: LightSocketHandlers) {
        const { host, port, path, headers, context, ticket } = options;
        this.#handlers = handlers;
        const socket = tlsConnect({
            host,
            port,
            servername: "",
            secureContext: context,
            ...(ticket === undefined ? {} : { session: ticket }),
        });
        this.#socket = socket;
        socket.setNoDelay(true);
        socket.once("session", (fresh: Buffer) => handlers.ticket(fresh));
        socket.on("error", (error) => {
            this.#why = error.message;
        });
        socket.once("close", () => {
            this.open = false;
            handlers.closed(this.#why);
        });
        socket.on("data", (bytes: Buffer) => this.#take(bytes));
        const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
        socket.write(
            `GET ${path} HTTP/1.1\r\nHost: ${host}:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
                `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MmFUTlMh1SI16n1tSzzFPQ==\r\n${lines.join("")}\r\n`,
        );
    }

    send(text: string): void {
        this.#write(TEXT, Buffer.from(text));
    }

    destroy(): void {
        this.#socket.destroy();
    }

    #write(opcode: number, payload: Buffer): void {
        const { length } = payload;
        const extended = length < 126 ? 0 : length < 65_536 ? 2 : 8;
        const frame = Buffer.alloc(2 + extended + MASK_BYTES + length);
        frame[0] = LAST | opcode;
        frame[1] = 0x80 | (extended === 0 ? length : extended === 2 ? 126 : 127);
        if (extended === 2) frame.writeUInt16BE(length, 2);
        else if (extended === 8) frame.writeBigUInt64BE(BigInt(length), 2);
        payload.copy(frame, 2 + extended + MASK_BYTES);
        this.#socket.write(frame);
    }

    #take(bytes: Buffer): void {
        this.#unread = this.#unread.length === 0 ? bytes : Buffer.concat([this.#unread, bytes]);
        if (!this.open && !this.#upgraded()) return;
        for (let frame = this.#frame(); frame !== undefined; frame = this.#frame())
            this.#on(frame.first, frame.payload);
    }

    /** True once the answer to the upgrade has been read and is the wanted one. */
    #upgraded(): boolean {
        const end = this.#unread.indexOf("\r\n\r\n");
        if (end < 0) return false;
        const status = this.#unread.subarray(0, this.#unread.indexOf("\r\n")).toString("latin1");
        if (!status.startsWith("HTTP/1.1 101 ")) {
            this.#why = status;
            this.#socket.destroy();
            return false;
        }
        this.#unread = this.#unread.subarray(end + 4);
        this.open = true;
        this.#handlers.opened();
        return true;
    }

    #frame(): { readonly first: number; readonly payload: Buffer } | undefined {
        const { length } = this.#unread;
        if (length < 2) return undefined;
        const said = this.#unread.readUInt8(1) & 0x7f;
        const start = said < 126 ? 2 : said === 126 ? 4 : 10;
        if (length < start) return undefined;
        const size =
            said < 126 ? said : said === 126 ? this.#unread.readUInt16BE(2) : Number(this.#unread.readBigUInt64BE(2));
        if (length < start + size) return undefined;
        const first = this.#unread.readUInt8(0);
        const payload = this.#unread.subarray(start, start + size);
        this.#unread = this.#unread.subarray(start + size);
        return { first, payload };
    }

    #on(first: number, payload: Buffer): void {
        const opcode = first & 0x0f;
        if (opcode === PING) this.#write(PONG, payload);
        else if (opcode === CLOSE) {
            this.#why = payload.subarray(2).toString();
            this.#socket.end();
        } else if (opcode < CLOSE) this.#onData(first, payload);
    }

    #onData(first: number, payload: Buffer): void {
        const last = (first & LAST) !== 0;
        if (last && this.#fragments.length === 0) {
            this.#handlers.message(payload.toString());
            return;
        }
        this.#fragments.push(Buffer.from(payload));
        if (!last) return;
        const whole = Buffer.concat(this.#fragments);
        this.#fragments = [];
        this.#handlers.message(whole.toString());
    }
}
