// SPDX-License-Identifier: Apache-2.0
import { PassThrough, Writable } from "node:stream";
import type { RawData, WebSocket } from "ws";
import type { Channels, Outcome, WantedStreams } from "./channels.ts";

/** Versions of the remote command protocol over WebSocket, best first. v5 can close one channel. */
export const WEBSOCKET_PROTOCOLS = ["v5.channel.k8s.io", "v4.channel.k8s.io"];

/** First byte of each message. */
const Channel = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4, close: 255 } as const;

/** One message, one channel: its number is the first byte. */
export function websocketChannels(socket: WebSocket, wanted: WantedStreams): Channels {
    const stdin = wanted.stdin ? input(socket) : undefined;
    const resize = wanted.tty ? input(socket) : undefined;
    const inputs = new Map([
        [Channel.stdin as number, stdin],
        [Channel.resize as number, resize],
    ]);
    socket.on("message", (raw: RawData) => {
        const bytes = toBuffer(raw);
        const [channel, closed] = bytes;
        if (channel === Channel.close) inputs.get(closed ?? -1)?.end();
        else if (bytes.length > 1) receive(socket, inputs.get(channel ?? -1), bytes.subarray(1));
    });
    socket.on("error", () => {}); // 'close' follows.
    const stdout = wanted.stdout ? output(socket, Channel.stdout) : undefined;
    const stderr = wanted.stderr ? output(socket, Channel.stderr) : undefined;
    // Clients take an empty message for "it is running", as a kubelet sends it.
    send(socket, wanted.stdout ? Channel.stdout : wanted.stderr ? Channel.stderr : Channel.error, Buffer.alloc(0));
    return {
        stdin,
        resize,
        stdout,
        stderr,
        onClosed: (listener) => void socket.on("close", listener),
        finish: (outcome: Outcome) => {
            send(socket, Channel.error, Buffer.from(JSON.stringify(outcome), "utf8"));
            socket.close(1000);
        },
    };
}

function input(socket: WebSocket): PassThrough {
    const stream = new PassThrough();
    stream.on("drain", () => socket.resume());
    stream.on("error", () => socket.resume());
    socket.on("close", () => void stream.end());
    return stream;
}

function receive(socket: WebSocket, stream: PassThrough | undefined, data: Buffer): void {
    if (stream === undefined || stream.writableEnded) return;
    if (!stream.write(data)) socket.pause();
}

function output(socket: WebSocket, channel: number): Writable {
    return new Writable({
        write(chunk: Buffer, _encoding, done) {
            send(socket, channel, chunk, done);
        },
    });
}

function send(socket: WebSocket, channel: number, data: Buffer, done: (error?: Error) => void = () => {}): void {
    if (socket.readyState === socket.OPEN)
        socket.send(Buffer.concat([Buffer.from([channel]), data]), { binary: true }, done);
    else done();
}

function toBuffer(raw: RawData): Buffer {
    if (Buffer.isBuffer(raw)) return raw;
    return Array.isArray(raw) ? Buffer.concat(raw) : Buffer.from(raw);
}
