// SPDX-License-Identifier: Apache-2.0
import { type IncomingMessage, request } from "node:http";
import type { Readable } from "node:stream";
import type { Clock } from "../../core/clock.ts";
import { encodeKubeletRequest } from "../../link/tunnel/kubelet-request.ts";
import { TunnelType } from "../../link/tunnel/message.ts";
import type { TunnelStream } from "../../link/tunnel/stream.ts";
import type { Tunnel } from "../../link/tunnel/tunnel.ts";

const PATIENCE_MS = 10_000;
/** A summary of a full node is some hundred KiB. */
const MOST_BYTES = 16 * 1024 * 1024;

/** The JSON answer of a gateway's kubelet. Rejects when there is none within ten seconds, or it is no JSON. */
export async function askNode(tunnel: Tunnel, path: string, clock: Clock): Promise<unknown> {
    const stream = tunnel.hasWindows
        ? tunnel.open(TunnelType.http, () => Buffer.alloc(0))
        : tunnel.open(TunnelType.metrics, (id) =>
              encodeKubeletRequest(id, { method: "GET", target: path, header: {} }, false),
          );
    const timer = clock.after(PATIENCE_MS, () => stream.destroy(new Error("no answer in time")));
    try {
        // A stock edge relays the body alone.
        return JSON.parse(await textOf(tunnel.hasWindows ? await answerOver(stream, path) : stream));
    } finally {
        timer.cancel();
        stream.destroy();
    }
}

async function answerOver(stream: TunnelStream, path: string): Promise<IncomingMessage> {
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
        const headers = { Connection: "close", Host: "kubelet" };
        const sent = request({ createConnection: () => stream, path, headers }, resolve);
        sent.on("error", reject);
        sent.end();
    });
    if (answer.statusCode !== 200) throw new Error(`the kubelet answered ${answer.statusCode}`);
    return answer;
}

async function textOf(stream: Readable): Promise<string> {
    const chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of stream as AsyncIterable<Buffer>) {
        bytes += chunk.length;
        if (bytes > MOST_BYTES) throw new Error("the answer is too long");
        chunks.push(chunk);
    }
    return Buffer.concat(chunks).toString("utf8");
}
