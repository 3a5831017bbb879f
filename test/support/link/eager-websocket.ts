// SPDX-License-Identifier: Apache-2.0
import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { frame } from "./raw-websocket.ts";

/** Takes a WebSocket and says all of it in one piece with the answer to the handshake, as a quick server on a busy machine. */
export function acceptAndSay(request: IncomingMessage, socket: Duplex, frames: readonly Buffer[]): void {
    const key = `${request.headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`;
    const protocol = request.headers["sec-websocket-protocol"];
    const head = [
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        `Sec-WebSocket-Accept: ${createHash("sha1").update(key).digest("base64")}`,
        ...(protocol === undefined ? [] : [`Sec-WebSocket-Protocol: ${protocol}`]),
    ];
    socket.on("error", () => {});
    socket.write(Buffer.concat([Buffer.from(`${head.join("\r\n")}\r\n\r\n`), ...frames]));
}

export const binary = (payload: Buffer): Buffer => frame(payload, false, 2);
export const text = (payload: Buffer): Buffer => frame(payload, false, 1);
export const closing = (code: number): Buffer => frame(Buffer.from([code >> 8, code & 0xff]), false, 8);
