// SPDX-License-Identifier: Apache-2.0
import type Docker from "dockerode";
import type { LogChunk, LogQuery } from "../runtime.ts";
import { engineCall } from "./docker-errors.ts";

const FRAME_BYTES = 8;

/** The engine's log as chunks; with a terminal there is one raw stream, else frames of stream, length and data. */
export async function* readDockerLogs(
    container: Docker.Container,
    query: LogQuery,
    tty: boolean,
): AsyncGenerator<LogChunk> {
    const base = {
        stdout: true,
        stderr: true,
        timestamps: query.timestamps === true,
        ...(query.tailLines === undefined ? {} : { tail: query.tailLines }),
        ...(query.sinceMs === undefined ? {} : { since: query.sinceMs / 1000 }),
    };
    let leftBytes = query.limitBytes ?? Number.POSITIVE_INFINITY;
    for await (const chunk of frames(await open(container, base, query), tty)) {
        if (chunk.data.length >= leftBytes) {
            yield { ...chunk, data: chunk.data.subarray(0, leftBytes) };
            return;
        }
        leftBytes -= chunk.data.length;
        yield chunk;
    }
}

async function open(
    container: Docker.Container,
    base: Record<string, unknown>,
    query: LogQuery,
): Promise<AsyncIterable<Buffer>> {
    if (query.follow !== true) {
        const whole = await engineCall("logs", () => container.logs({ ...base, follow: false }));
        return (async function* () {
            yield whole;
        })();
    }
    const stream = await engineCall("logs", () => container.logs({ ...base, follow: true }));
    const end = (): void => (stream as unknown as { destroy(): void }).destroy();
    query.signal?.addEventListener("abort", end, { once: true });
    return quietly(stream as AsyncIterable<Buffer>, query.signal);
}

/** A reader that goes away is no error. */
async function* quietly(stream: AsyncIterable<Buffer>, signal: AbortSignal | undefined): AsyncGenerator<Buffer> {
    try {
        yield* stream;
    } catch (thrown) {
        if (signal?.aborted !== true) throw thrown;
    }
}

/** Takes the engine's frames apart (Docker Engine API, "Stream format"). */
export async function* frames(stream: AsyncIterable<Buffer>, tty: boolean): AsyncGenerator<LogChunk> {
    let rest: Buffer = Buffer.alloc(0);
    for await (const data of stream) {
        if (tty) {
            yield { stream: "stdout", data };
            continue;
        }
        rest = rest.length === 0 ? data : Buffer.concat([rest, data]);
        while (rest.length >= FRAME_BYTES) {
            const length = rest.readUInt32BE(4);
            if (rest.length < FRAME_BYTES + length) break;
            yield {
                stream: rest[0] === 2 ? "stderr" : "stdout",
                data: rest.subarray(FRAME_BYTES, FRAME_BYTES + length),
            };
            rest = rest.subarray(FRAME_BYTES + length);
        }
    }
}
