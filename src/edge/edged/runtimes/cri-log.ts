// SPDX-License-Identifier: Apache-2.0
import { createReadStream, watch } from "node:fs";
import { open, stat } from "node:fs/promises";
import type { LogChunk, LogQuery } from "./runtime.ts";

const FOLLOW_POLL_MS = 250;
const NEWLINE = 0x0a;

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

/** New lines as they come, until the container ends or the reader goes. Survives rotation. */
async function* follow(path: string, fromBytes: number, query: LogQuery, running: Running): AsyncGenerator<LogChunk> {
    let offset = fromBytes;
    let rest = "";
    let ended = false;
    while (query.signal?.aborted !== true) {
        const size = await sizeOf(path);
        if (size < offset) offset = 0;
        if (size > offset) {
            const file = await open(path, "r");
            const buffer = Buffer.alloc(Math.min(size - offset, 1 << 20));
            const { bytesRead } = await file.read(buffer, 0, buffer.length, offset);
            await file.close();
            offset += bytesRead;
            const parts = (rest + buffer.toString("utf8", 0, bytesRead)).split("\n");
            rest = parts.pop() ?? "";
            for (const line of parts) {
                const chunk = chunkOf(line, query.timestamps === true);
                if (chunk !== undefined) yield chunk;
            }
        } else if (ended) return;
        else if (!(await running()))
            ended = true; // What it wrote at the very end is read in one more round.
        else await changed(path, query.signal);
    }
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

async function sizeOf(path: string): Promise<number> {
    return (await stat(path).catch(() => undefined))?.size ?? 0;
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
