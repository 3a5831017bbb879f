// SPDX-License-Identifier: Apache-2.0
import { Duplex, PassThrough, Writable } from "node:stream";
import { WebSocket } from "ws";
import { errorText, RedgeError } from "../../../../core/errors/redge-error.ts";
import type { ExecSession } from "../runtime.ts";

/** Channels of the v4 remote command protocol: one byte before every message. */
const CHANNEL = { stdin: 0, stdout: 1, stderr: 2, status: 3, resize: 4 } as const;
const PROTOCOL = "v4.channel.k8s.io";
const HIGH_WATER_BYTES = 1 << 20;

interface ExitStatus {
    readonly status?: string;
    readonly message?: string;
    readonly details?: { readonly causes?: readonly { readonly reason?: string; readonly message?: string }[] };
}

/** Opens the engine's streaming address and takes it apart into streams. */
export async function openSession(
    url: string,
    options: { readonly stdin: boolean; readonly tty: boolean },
): Promise<ExecSession> {
    const socket = await open(url);
    const stdout = new PassThrough();
    const stderr = options.tty ? undefined : new PassThrough();
    let status: ExitStatus | undefined;
    const exit = new Promise<number>((resolve) => {
        socket.on("message", (data: Buffer) => {
            const body = data.subarray(1);
            const target = data[0] === CHANNEL.stderr ? (stderr ?? stdout) : stdout;
            if (data[0] === CHANNEL.status) status = JSON.parse(body.toString("utf8")) as ExitStatus;
            else if (data[0] === CHANNEL.stdout || data[0] === CHANNEL.stderr) pass(socket, target, body);
        });
        socket.on("close", () => {
            stdout.end();
            stderr?.end();
            resolve(exitCode(status));
        });
        socket.on("error", () => socket.terminate());
    });
    socket.resume();
    return {
        stdin: options.stdin ? stdinOf(socket) : undefined,
        stdout,
        stderr,
        resize: async (width, height) =>
            send(socket, CHANNEL.resize, Buffer.from(JSON.stringify({ Width: width, Height: height }))),
        exit,
        close: () => socket.terminate(),
    };
}

/** A connection to one port of a pod: data on channel 0, errors on channel 1, each opened by the port's number. */
export async function openPort(url: string, port: number): Promise<NodeJS.ReadWriteStream> {
    const socket = await open(`${url}${url.includes("?") ? "&" : "?"}port=${port}`);
    const greeted = new Set<number>();
    const stream = new Duplex({
        read: () => socket.resume(),
        write: (chunk: Buffer, _encoding, done) => {
            send(socket, CHANNEL.stdin, chunk).then(() => done(), done);
        },
        final: (done) => {
            socket.close();
            done();
        },
    });
    socket.on("message", (data: Buffer) => {
        const channel = data[0] ?? 0;
        if (!greeted.has(channel)) {
            greeted.add(channel);
            return;
        }
        if (channel === 0 && !stream.push(data.subarray(1))) socket.pause();
        if (channel === 1) stream.destroy(new Error(data.subarray(1).toString("utf8")));
    });
    socket.on("close", () => stream.push(null));
    socket.resume();
    return stream;
}

/** Paused until its listeners are there: what came in one piece with the answer to the handshake would find none. */
function open(url: string): Promise<WebSocket> {
    return new Promise((resolve, reject) => {
        const socket = new WebSocket(url.replace(/^http/, "ws"), PROTOCOL, { perMessageDeflate: false });
        socket.once("open", () => {
            socket.pause();
            resolve(socket);
        });
        socket.once("error", (error) => {
            reject(new RedgeError("REDGE_RUNTIME_FAILED", { what: "streaming", reason: errorText(error) }));
        });
    });
}

function pass(socket: WebSocket, target: PassThrough, body: Buffer): void {
    if (target.write(body)) return;
    socket.pause();
    target.once("drain", () => socket.resume());
}

function stdinOf(socket: WebSocket): Writable {
    return new Writable({
        write: (chunk: Buffer, _encoding, done) => {
            send(socket, CHANNEL.stdin, chunk).then(() => done(), done);
        },
        // v4 has no way to say that the input has ended; an engine sees it when the connection goes.
        final: (done) => done(),
        highWaterMark: HIGH_WATER_BYTES,
    });
}

function send(socket: WebSocket, channel: number, body: Buffer): Promise<void> {
    return new Promise((resolve, reject) => {
        socket.send(Buffer.concat([Buffer.from([channel]), body]), (error) => (error ? reject(error) : resolve()));
    });
}

function exitCode(status: ExitStatus | undefined): number {
    if (status === undefined) return -1;
    if (status.status === "Success") return 0;
    const cause = status.details?.causes?.find(({ reason }) => reason === "ExitCode");
    return cause === undefined ? -1 : Number(cause.message);
}
