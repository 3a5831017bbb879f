// SPDX-License-Identifier: Apache-2.0
import { errorText } from "../../../../core/errors/redge-error.ts";
import type { SpdyConnection } from "./spdy-connection.ts";
import type { SpdyStream } from "./spdy-stream.ts";

export const PORT_FORWARD_PROTOCOL = "portforward.k8s.io";

interface Pair {
    error?: SpdyStream;
    data?: SpdyStream;
}

/** Each forwarded connection is a pair of streams with one requestid: `data`, and `error` for what goes wrong. */
export function servePortForward(
    connection: SpdyConnection,
    connect: (port: number) => Promise<NodeJS.ReadWriteStream>,
): void {
    const pairs = new Map<string, Pair>();
    connection.on("stream", (stream) => {
        const { streamtype: type, port, requestid = port ?? "" } = stream.headers;
        const pair = pairs.get(requestid) ?? {};
        if ((type !== "error" && type !== "data") || pair[type] !== undefined) {
            stream.destroy();
            return;
        }
        pair[type] = stream;
        pairs.set(requestid, pair);
        const { error, data } = pair;
        if (error === undefined || data === undefined) return;
        pairs.delete(requestid);
        void forward(error, data, Number(port), connect);
    });
}

async function forward(
    error: SpdyStream,
    data: SpdyStream,
    port: number,
    connect: (port: number) => Promise<NodeJS.ReadWriteStream>,
): Promise<void> {
    let isRunning = true;
    error.resume(); // The client ends it at once; nothing comes by it.
    data.on("close", () => {
        isRunning = false;
    });
    try {
        if (!Number.isInteger(port) || port < 1 || port > 65_535) throw new Error("the port is none");
        const target = await connect(port);
        if (!isRunning) {
            target.end();
            return;
        }
        target.on("error", (cause) => {
            error.end(`error forwarding port ${port}: ${errorText(cause)}`);
            data.end();
        });
        target.on("end", () => void error.end());
        data.pipe(target);
        target.pipe(data);
        data.on("close", () => target.end());
    } catch (cause) {
        error.end(`error forwarding port ${port}: ${errorText(cause)}`);
        data.end();
        data.resume();
    }
}
