// SPDX-License-Identifier: Apache-2.0
import type { RawData, WebSocket } from "ws";
import type { ConnectionHandlers, LinkConnection } from "./connection.ts";

/** How long a peer may take to answer a goodbye. */
const GOODBYE_MS = 1_000;

/**
 * One text message per envelope (wire protocol, section 1.3); binary messages are read as text too, as KubeEdge does.
 * The socket must be open. `ws` is told to wait (`pause`) until a receiver is attached, so nothing is missed.
 */
export class WebSocketConnection implements LinkConnection {
    readonly transport = "websocket";
    readonly #socket: WebSocket;
    #handlers: ConnectionHandlers | undefined;

    constructor(socket: WebSocket) {
        this.#socket = socket;
        socket.on("error", ignoreError);
        socket.pause();
    }

    open(handlers: ConnectionHandlers): void {
        this.#handlers = handlers;
        this.#socket.on("message", (data: RawData) => this.#handlers?.message(textOf(data)));
        this.#socket.on("pong", () => this.#handlers?.alive?.());
        this.#socket.once("close", (code: number, reason: Buffer) => {
            const handlers = this.#handlers;
            this.#handlers = undefined;
            handlers?.closed({ code, reason: reason.toString("utf8") });
        });
        if (this.#socket.readyState === this.#socket.CLOSED) {
            queueMicrotask(() => this.#socket.emit("close", 1006, Buffer.alloc(0)));
            return;
        }
        this.#socket.resume();
    }

    send(text: string, written?: (error?: Error) => void): void {
        this.#socket.send(text, (error) => written?.(error ?? undefined));
    }

    beat(text: string): void {
        this.send(text);
    }

    get queuedBytes(): number {
        return this.#socket.bufferedAmount;
    }

    pause(): void {
        this.#socket.pause();
    }

    resume(): void {
        this.#socket.resume();
    }

    ping(): void {
        if (this.#socket.readyState === this.#socket.OPEN) this.#socket.ping();
    }

    close(code: number, reason: string): void {
        this.#socket.resume();
        const cut = setTimeout(() => this.#socket.terminate(), GOODBYE_MS).unref();
        this.#socket.once("close", () => clearTimeout(cut));
        this.#socket.close(code, reason.slice(0, 120));
    }

    destroy(): void {
        this.#socket.terminate();
    }
}

/** The text of one message, however `ws` hands it over. */
function textOf(data: RawData): string {
    if (Array.isArray(data)) return Buffer.concat(data).toString("utf8");
    return Buffer.isBuffer(data) ? data.toString("utf8") : Buffer.from(data).toString("utf8");
}

/** An error of the socket is always followed by `close`, which is where it is dealt with. */
function ignoreError(): void {}
