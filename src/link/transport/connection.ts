// SPDX-License-Identifier: Apache-2.0

/** What ends a connection. `code` is a WebSocket close code; 1006 means that the peer just went away. */
export interface Closed {
    readonly code: number;
    readonly reason: string;
}

export interface ConnectionHandlers {
    /** One whole message as text. */
    message(text: string): void;
    /** Exactly once, also after `close` and `destroy`. */
    closed(how: Closed): void;
    /** Bytes arrived that prove the peer alive (a pong). */
    alive?(): void;
}

/** An established, authenticated connection between CloudHub and one EdgeHub, whichever transport carries it. */
export interface LinkConnection {
    readonly transport: "websocket" | "quic";
    /** Attaches the one receiver; messages that came before it are delivered first. */
    open(handlers: ConnectionHandlers): void;
    /** Queues one message; `written` tells when the bytes have left this process, or the error that kept them. */
    send(text: string, written?: (error?: Error) => void): void;
    /** Queues a heartbeat. Where the transport has lanes, it does not wait behind messages. */
    beat(text: string): void;
    /** Bytes queued in this process. */
    readonly queuedBytes: number;
    /** Stops and goes on reading; the peer feels it as the transport's back-pressure. */
    pause(): void;
    resume(): void;
    /** Asks the peer for a sign of life, answered by `alive`. */
    ping(): void;
    /** Says goodbye; falls back to cutting the connection when the peer does not answer. */
    close(code: number, reason: string): void;
    /** Cuts the connection. */
    destroy(): void;
}
