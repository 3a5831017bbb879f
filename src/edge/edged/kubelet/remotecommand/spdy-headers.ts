// SPDX-License-Identifier: Apache-2.0
import { constants, createDeflate, createInflate, type Deflate, type Inflate } from "node:zlib";
import { SPDY_DICTIONARY } from "./spdy-dictionary.ts";

/** Names in lower case, as SPDY has them. */
export type SpdyHeaders = Readonly<Record<string, string>>;

/** A header block that grows beyond this when inflated is an attack: real ones have a few hundred bytes. */
const MAX_BLOCK_BYTES = 64 * 1024;

/** The two compression contexts of a connection: each block continues the one before, so order matters. */
export class SpdyHeaderCodec {
    readonly #inflate: Inflate = createInflate({ dictionary: SPDY_DICTIONARY });
    readonly #deflate: Deflate = createDeflate({ dictionary: SPDY_DICTIONARY });

    /** One call at a time. Rejects for what is no header block. */
    async read(block: Buffer): Promise<SpdyHeaders> {
        return parsePairs(await through(this.#inflate, block));
    }

    /** One call at a time. */
    write(headers: SpdyHeaders): Promise<Buffer> {
        const entries = Object.entries(headers);
        const parts = [
            count(entries.length),
            ...entries.flat().flatMap((text) => [count(text.length), Buffer.from(text, "latin1")]),
        ];
        return through(this.#deflate, Buffer.concat(parts));
    }

    close(): void {
        this.#inflate.destroy();
        this.#deflate.destroy();
    }
}

/** Puts bytes through a compression stream up to a block boundary. */
function through(stream: Inflate | Deflate, bytes: Buffer): Promise<Buffer> {
    return new Promise((resolve, reject) => {
        const chunks: Buffer[] = [];
        let size = 0;
        const done = (error?: Error | null): void => {
            stream.off("data", take);
            stream.off("error", done);
            if (error) reject(error);
            else resolve(Buffer.concat(chunks));
        };
        const take = (chunk: Buffer): void => {
            chunks.push(chunk);
            size += chunk.length;
            if (size > MAX_BLOCK_BYTES) done(new Error("the header block is too large"));
        };
        stream.on("data", take);
        stream.on("error", done);
        stream.write(bytes);
        stream.flush(constants.Z_SYNC_FLUSH, () => setImmediate(done));
    });
}

function parsePairs(block: Buffer): SpdyHeaders {
    let at = 0;
    const number = (): number => {
        at += 4;
        return block.readUInt32BE(at - 4);
    };
    const text = (): string => {
        const size = number();
        if (at + size > block.length) throw new Error("the header block is cut short");
        at += size;
        return block.toString("latin1", at - size, at);
    };
    const headers: Record<string, string> = {};
    for (let left = number(); left > 0; left -= 1) {
        const name = text().toLowerCase();
        headers[name] = text().split("\0")[0] ?? "";
    }
    return headers;
}

function count(value: number): Buffer {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(value);
    return bytes;
}
