// SPDX-License-Identifier: Apache-2.0
import { isRecord } from "../../../core/json.ts";
import { CloseCode } from "../../session.ts";
import type { Closed } from "../connection.ts";

/** In the length field: the frame says goodbye, `{"code": ..., "reason": ...}`, instead of carrying a message. */
const GOODBYE_BIT = 0x8000_0000;
const MAX_GOODBYE_BYTES = 1_024;

export type Frame = { readonly text: string } | { readonly goodbye: Closed };

/** Four bytes of length (big endian), then that many bytes of UTF-8. */
export function messageFrame(text: string): Buffer {
    const length = Buffer.byteLength(text);
    const frame = Buffer.allocUnsafe(4 + length);
    frame.writeUInt32BE(length);
    frame.write(text, 4);
    return frame;
}

export function goodbyeFrame({ code, reason }: Closed): Buffer {
    const frame = messageFrame(JSON.stringify({ code, reason: reason.slice(0, 120) }));
    frame.writeUInt32BE((frame.length - 4 + GOODBYE_BIT) >>> 0);
    return frame;
}

/** What the peer sent cannot be read; the connection ends with this. */
export class FrameError extends Error {
    readonly code: number;

    constructor(code: number, reason: string) {
        super(reason);
        this.code = code;
    }
}

/** Cuts one stream into frames; holds at most one frame and what arrived behind it. */
export class FrameReader {
    readonly #utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
    #chunks: Buffer[] = [];
    #held = 0;
    /** Largest message. */
    limit: number;

    constructor(limit: number) {
        this.limit = limit;
    }

    push(bytes: Buffer): void {
        this.#chunks.push(bytes);
        this.#held += bytes.length;
    }

    /** The next whole frame, or undefined until more arrives. @throws FrameError */
    next(): Frame | undefined {
        if (this.#held < 4) return undefined;
        const head = this.#front(4);
        const field = head.readUInt32BE();
        const goodbye = field >= GOODBYE_BIT;
        const length = goodbye ? field - GOODBYE_BIT : field;
        if (length > (goodbye ? MAX_GOODBYE_BYTES : this.limit)) {
            throw new FrameError(CloseCode.tooBig, `a message of ${length} bytes`);
        }
        if (this.#held < 4 + length) return undefined;
        const whole = this.#front(4 + length);
        this.#drop(4 + length);
        const text = this.#decode(whole.subarray(4, 4 + length));
        return goodbye ? { goodbye: readGoodbye(text) } : { text };
    }

    #decode(bytes: Buffer): string {
        try {
            return this.#utf8.decode(bytes);
        } catch {
            throw new FrameError(CloseCode.invalidMessage, "not UTF-8");
        }
    }

    /** The first chunk, made to hold at least so many bytes. */
    #front(bytes: number): Buffer {
        const [first] = this.#chunks;
        if (first !== undefined && first.length >= bytes) return first;
        const joined = Buffer.concat(this.#chunks);
        this.#chunks = [joined];
        return joined;
    }

    #drop(bytes: number): void {
        const [first = Buffer.alloc(0)] = this.#chunks;
        if (first.length === bytes) this.#chunks.shift();
        else this.#chunks[0] = first.subarray(bytes);
        this.#held -= bytes;
    }
}

function readGoodbye(text: string): Closed {
    const said = parseJson(text);
    const { code, reason } = isRecord(said) ? said : { code: undefined, reason: undefined };
    const known = typeof code === "number" && Number.isInteger(code) && code >= 400 && code < 5_000;
    return { code: known ? code : CloseCode.normal, reason: typeof reason === "string" ? reason.slice(0, 300) : "" };
}

/** Undefined when it is no JSON. */
export function parseJson(text: string): unknown {
    try {
        return JSON.parse(text);
    } catch {
        return undefined;
    }
}
