// SPDX-License-Identifier: Apache-2.0
import { createReadStream, watch } from "node:fs";
import { type FileHandle, open, stat } from "node:fs/promises";
import type { LogChunk, LogQuery } from "./runtime.ts";

const FOLLOW_POLL_MS = 250;
const NEWLINE = 0x0a;
const READ_BYTES = 64 * 1024;

/** Whether the container still writes to its log: asked whenever everything there is has been read. */
export type Running = () => boolean | Promise<boolean>;

/** Reads a log file in the CRI format (`time stream P|F text`), oldest rotated part first, as the query asks. */
export async function* readCriLog(path: string, query: LogQuery, running: Running): AsyncGenerator<LogChunk> {
    const lines: string[] = [];
    // Following goes on exactly where this reading ends: what is written meanwhile is neither lost nor told twice.
    const endBytes = query.follow === true ? await wholeLinesBytes(path) : undefined;
    for await (const line of linesOf(`${path}.1`)) lines.push(line);
    if (endBytes !== 0) for await (const line of linesOf(path, endBytes)) lines.push(line);
    let chosen = query.sinceMs === undefined ? lines : lines.filter((line) => timeOf(line) >= (query.sinceMs ?? 0));
    if (query.tailLines !== undefined) chosen = query.tailLines === 0 ? [] : chosen.slice(-query.tailLines);
    let leftBytes = query.limitBytes ?? Number.POSITIVE_INFINITY;
    for (const line of chosen) {
        const chunk = chunkOf(line, query.timestamps === true);
        if (chunk === undefined) continue;
        if (chunk.data.length >= leftBytes) {
            yield { ...chunk, data: chunk.data.subarray(0, leftBytes) };
            return;
        }
        leftBytes -= chunk.data.length;
        yield chunk;
    }
    if (endBytes !== undefined) yield* follow(path, endBytes, query, running);
}

/** Where the last whole line of the file ends. */
async function wholeLinesBytes(path: string): Promise<number> {
    let position = 0;
    let end = 0;
    try {
        for await (const data of createReadStream(path)) {
            const newline = (data as Buffer).lastIndexOf(NEWLINE);
            if (newline >= 0) end = position + newline + 1;
            position += (data as Buffer).length;
        }
    } catch (thrown) {
        if ((thrown as NodeJS.ErrnoException).code !== "ENOENT") throw thrown;
    }
    return end;
}

async function* linesOf(path: string, endBytes?: number): AsyncGenerator<string> {
    let rest = "";
    try {
        for await (const data of createReadStream(path, {
            encoding: "utf8",
            ...(endBytes === undefined ? {} : { end: endBytes - 1 }),
        })) {
            const parts = (rest + String(data)).split("\n");
            rest = parts.pop() ?? "";
            yield* parts;
        }
    } catch (thrown) {
        if ((thrown as NodeJS.ErrnoException).code !== "ENOENT") throw thrown;
    }
    if (rest !== "") yield rest;
}

/**
 * New lines as they come, until the container ends or the reader goes. The file stays open, so that after a rotation what was
 * written to the old one is read to its end before the new one is begun.
 */
async function* follow(path: string, fromBytes: number, query: LogQuery, running: Running): AsyncGenerator<LogChunk> {
    let file: FileHandle | undefined;
    let offset = fromBytes;
    let rest = Buffer.alloc(0);
    let ended = false;
    try {
        while (query.signal?.aborted !== true) {
            file ??= await openIfThere(path);
            // Asked before the reading: what is read after a yes is all there will be.
            const replaced = file !== undefined && (await isReplaced(file, path));
            const data = file === undefined ? rest.subarray(0, 0) : await readFrom(file, offset);
            if (data.length > 0) {
                offset += data.length;
                const text = Buffer.concat([rest, data]);
                const end = text.lastIndexOf(NEWLINE) + 1;
                rest = text.subarray(end);
                for (const line of text.toString("utf8", 0, end).split("\n")) {
                    const chunk = chunkOf(line, query.timestamps === true);
                    if (chunk !== undefined) yield chunk;
                }
            } else if (replaced) {
                await file?.close();
                file = undefined;
                offset = 0;
            } else if (ended) return;
            else if (!(await running()))
                ended = true; // What it wrote at the very end is read in one more round.
            else await changed(path, query.signal);
        }
    } finally {
        await file?.close();
    }
}

async function openIfThere(path: string): Promise<FileHandle | undefined> {
    return open(path, "r").catch((thrown: NodeJS.ErrnoException) => {
        if (thrown.code === "ENOENT") return undefined;
        throw thrown;
    });
}

/** Another file is at the path now. One that was only moved away may still be written to. */
async function isReplaced(file: FileHandle, path: string): Promise<boolean> {
    const [own, there] = await Promise.all([file.stat(), stat(path).catch(() => undefined)]);
    return there !== undefined && there.ino !== own.ino;
}

async function readFrom(file: FileHandle, offset: number): Promise<Buffer> {
    const buffer = Buffer.alloc(READ_BYTES);
    const { bytesRead } = await file.read(buffer, 0, buffer.length, offset);
    return buffer.subarray(0, bytesRead);
}

/** Resolves at the next change of the file, or after a moment (a container that ends writes nothing). */
function changed(path: string, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
        const done = (): void => {
            clearTimeout(timer);
            watcher?.close();
            signal?.removeEventListener("abort", done);
            resolve();
        };
        const timer = setTimeout(done, FOLLOW_POLL_MS);
        let watcher: ReturnType<typeof watch> | undefined;
        try {
            watcher = watch(path, done);
            watcher.on("error", done);
        } catch (thrown) {
            if ((thrown as NodeJS.ErrnoException).code !== "ENOENT") throw thrown;
        }
        signal?.addEventListener("abort", done, { once: true });
    });
}

function timeOf(line: string): number {
    return Date.parse(line.slice(0, line.indexOf(" ")));
}

function chunkOf(line: string, timestamps: boolean): LogChunk | undefined {
    const match = /^(\S+) (stdout|stderr) ([PF])\S* ?(.*)$/s.exec(line);
    if (match === null) return undefined;
    const [, time = "", stream, tag, text = ""] = match;
    const body = `${timestamps ? `${time} ` : ""}${text}${tag === "F" ? "\n" : ""}`;
    return { stream: stream === "stderr" ? "stderr" : "stdout", data: Buffer.from(body) };
}
