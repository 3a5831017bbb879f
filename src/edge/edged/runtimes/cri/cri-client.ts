// SPDX-License-Identifier: Apache-2.0
import { type ClientHttp2Session, connect } from "node:http2";
import { connect as connectSocket } from "node:net";
import { RedgeError } from "../../../../core/errors/redge-error.ts";
import { decode, encode, type Message } from "./codec.ts";

const FRAME_BYTES = 5;
const UNAVAILABLE = 14;
export const NOT_FOUND = 5;

/**
 * Unary gRPC calls to a CRI engine over its Unix socket (gRPC over HTTP/2): one length-prefixed message each way. A library
 * for this costs a gateway 15 MB; the engine needs nothing else of it.
 */
export class CriClient {
    readonly #socket: string;
    #session: ClientHttp2Session | undefined;

    constructor(socket: string) {
        this.#socket = socket;
    }

    /**
     * @throws REDGE_RUNTIME_UNAVAILABLE when the engine cannot be reached, REDGE_RUNTIME_FAILED (details.code: gRPC status)
     * when it said no
     */
    async call(
        method: string,
        request: readonly [type: string, message: Message],
        answer: string,
        timeoutMs = 120_000,
    ): Promise<Message> {
        const service = /Image/.test(method) ? "ImageService" : "RuntimeService";
        const body = encode(...request);
        const frame = Buffer.alloc(FRAME_BYTES);
        frame.writeUInt32BE(body.length, 1);
        const bytes = await this.#exchange(`/runtime.v1.${service}/${method}`, Buffer.concat([frame, body]), timeoutMs);
        return decode(answer, bytes.subarray(FRAME_BYTES));
    }

    close(): void {
        this.#session?.destroy();
        this.#session = undefined;
    }

    #open(): ClientHttp2Session {
        if (this.#session !== undefined && !this.#session.destroyed && !this.#session.closed) return this.#session;
        const session = connect("http://localhost", { createConnection: () => connectSocket(this.#socket) });
        // Every call hears of it by its own stream.
        session.on("error", () => session.destroy());
        session.unref();
        this.#session = session;
        return session;
    }

    #exchange(path: string, frame: Buffer, timeoutMs: number): Promise<Buffer> {
        return new Promise((resolve, reject) => {
            const method = path.split("/").at(-1) ?? path;
            const unavailable = (reason: string): void =>
                reject(new RedgeError("REDGE_RUNTIME_UNAVAILABLE", { reason: `${method}: ${reason}` }));
            const session = this.#open();
            if (session.destroyed) return unavailable("connection refused");
            const stream = session.request({
                ":method": "POST",
                ":path": path,
                "content-type": "application/grpc",
                te: "trailers",
            });
            const chunks: Buffer[] = [];
            let status = "";
            let message = "";
            const note = (headers: Readonly<Record<string, unknown>>): void => {
                if (headers["grpc-status"] === undefined) return;
                status = String(headers["grpc-status"]);
                message = decodeURIComponent(String(headers["grpc-message"] ?? ""));
            };
            stream.setTimeout(timeoutMs, () => {
                stream.close();
                unavailable(`no answer within ${timeoutMs} ms`);
            });
            stream.on("response", note);
            stream.on("trailers", note);
            stream.on("data", (chunk: Buffer) => chunks.push(chunk));
            stream.on("error", (error) => unavailable(error.message));
            stream.on("close", () => {
                if (status === "0") resolve(Buffer.concat(chunks));
                else if (status === "" || Number(status) === UNAVAILABLE)
                    unavailable(message || "the connection was closed");
                else
                    reject(
                        new RedgeError("REDGE_RUNTIME_FAILED", { what: method, reason: message, code: Number(status) }),
                    );
            });
            stream.end(frame);
        });
    }
}
