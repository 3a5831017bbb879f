// SPDX-License-Identifier: Apache-2.0
import type { FileHandle } from "node:fs/promises";
import { RedgeError } from "../core/errors/redge-error.ts";
import type { TextOp } from "./document-text.ts";
import { FORMAT, type Line, parseLine } from "./nedb-lines.ts";

/** A range of bytes of the file. */
export interface Extent {
    readonly at: number;
    readonly length: number;
}

export interface FileContent {
    /** JSON text by key. */
    readonly texts: Map<string, string>;
    /** Lines of operations, dead ones too. */
    readonly lines: number;
    /** Behind the last complete batch; what follows was never acknowledged. */
    readonly goodLength: number;
    readonly fileLength: number;
    /** Damaged lines with good ones behind them: acknowledged once, unreadable now. */
    readonly damaged: readonly Extent[];
    /** 0: a file of plain nedb. */
    readonly format: number;
    /** Acknowledged records are missing: damaged ones, or the tail is no mere torn write. */
    readonly lossy: boolean;
    /** The file must be written anew before anything is appended. */
    readonly rewrite: boolean;
}

const CHUNK_BYTES = 256 * 1024;
const NEWLINE = 0x0a;

/**
 * Reads a data file whatever state a crash left it in. The tail behind the last complete batch is what a writer was
 * cut off in; damage before that is somebody else's (a bad sector, an editor) and is told apart.
 * @throws REDGE_STORE_NEWER
 */
export async function readDataFile(handle: FileHandle, path: string): Promise<FileContent> {
    const reader = new Reader(path);
    const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
    let carry: Buffer[] = [];
    let position = 0;
    for (;;) {
        const { bytesRead } = await handle.read(chunk, 0, CHUNK_BYTES, position);
        if (bytesRead === 0) break;
        let start = 0;
        for (let end = chunk.indexOf(NEWLINE); end !== -1 && end < bytesRead; end = chunk.indexOf(NEWLINE, start)) {
            const rest = chunk.subarray(start, end);
            reader.line(carry.length === 0 ? rest : Buffer.concat([...carry, rest]), true);
            carry = [];
            start = end + 1;
        }
        if (start < bytesRead) carry.push(Buffer.from(chunk.subarray(start, bytesRead)));
        position += bytesRead;
    }
    if (carry.length > 0) reader.line(Buffer.concat(carry), false);
    return reader.end(position);
}

class Reader {
    readonly #path: string;
    readonly #texts = new Map<string, string>();
    readonly #damaged: Extent[] = [];
    /** Damaged lines since the last complete batch: a torn tail unless a good line follows. */
    #suspects: Extent[] = [];
    #unfinished: Extent | undefined;
    #open: TextOp[] = [];
    #openMore = 0;
    #offset = 0;
    #goodLength = 0;
    #lines = 0;
    #seen = 0;
    #format: number | undefined;
    #unended = false;

    constructor(path: string) {
        this.#path = path;
    }

    line(bytes: Buffer, ended: boolean): void {
        const extent = { at: this.#offset, length: bytes.length + (ended ? 1 : 0) };
        this.#offset += extent.length;
        if (bytes.length === 0) {
            if (this.#open.length === 0 && this.#suspects.length === 0) this.#goodLength = this.#offset;
            return;
        }
        const line = parseLine(bytes.toString("utf8"));
        this.#seen += 1;
        if (line === undefined) {
            this.#suspects.push(extent);
            if (!ended) this.#unfinished = extent;
        } else this.#take(line, ended);
    }

    end(fileLength: number): FileContent {
        const format = this.#format ?? (fileLength === 0 ? FORMAT : 0);
        // A write that was cut off has no line end: a whole line that cannot be read was there once.
        const lossy = this.#damaged.length > 0 || this.#suspects.some((suspect) => suspect !== this.#unfinished);
        return {
            lossy,
            texts: this.#texts,
            lines: this.#lines,
            goodLength: this.#goodLength,
            fileLength,
            damaged: this.#damaged,
            format,
            rewrite: this.#unended || lossy || format !== FORMAT || this.#goodLength === 0,
        };
    }

    #take(line: Line, ended: boolean): void {
        if (line.kind === "format") {
            if (line.format > FORMAT)
                throw new RedgeError("REDGE_STORE_NEWER", { path: this.#path, found: line.format, known: FORMAT });
            this.#format = line.format;
        }
        if (line.kind !== "op") {
            this.#good(ended);
            return;
        }
        // A batch with a hole: its readable rest was acknowledged, so it counts.
        if (this.#open.length > 0 && line.more !== this.#openMore - 1) this.#applyOpen();
        // The format record is the first line: when that very line is damaged the file is still one of ours.
        if (this.#format === undefined && this.#seen === this.#suspects.length + 1 && this.#seen > 1)
            this.#format = FORMAT;
        this.#lines += 1;
        this.#open.push(line.op);
        this.#openMore = line.more;
        if (line.more > 0) return;
        this.#applyOpen();
        this.#good(ended);
    }

    #good(ended: boolean): void {
        this.#damaged.push(...this.#suspects);
        this.#suspects = [];
        this.#goodLength = this.#offset;
        this.#unended = !ended;
    }

    #applyOpen(): void {
        for (const op of this.#open) {
            if (op.op === "put") this.#texts.set(op.key, op.text);
            else this.#texts.delete(op.key);
        }
        this.#open = [];
    }
}
