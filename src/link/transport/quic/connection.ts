// SPDX-License-Identifier: Apache-2.0
import { CloseCode } from "../../session.ts";
import type { Closed, ConnectionHandlers, LinkConnection } from "../connection.ts";
import { type Frame, FrameError, FrameReader, goodbyeFrame, messageFrame } from "./frames.ts";
import { CUT, type PeerEvents, type QuicPeer } from "./peer.ts";
import { SendQueue } from "./send-queue.ts";

/** Streams, both opened by the edge: messages, and heartbeats, which thereby never wait behind messages. */
export const MESSAGES = 0;
export const HEARTBEATS = 4;
/** How long a peer may be silent after a goodbye, and how long it may take to hear it out at most. */
const GOODBYE_MS = 1_000;
const LAST_WORDS_MS = 10_000;
/** What the first frame of each side, which is no message, may be long. */
const HELLO_BYTES = 4_096;

/** The receiver's side of one stream, and the sender's. */
interface Lane {
    readonly stream: number;
    readonly reader: FrameReader;
    readonly queue: SendQueue;
}

/**
 * Messages over one QUIC connection. Before `open` the two ends say hello with one frame each (`greet`, `onGreeting`);
 * what follows it waits in QUIC's own windows.
 */
export class QuicConnection implements LinkConnection, PeerEvents {
    readonly transport = "quic";
    readonly #messages: Lane = lane(MESSAGES);
    readonly #heartbeats: Lane = lane(HEARTBEATS);
    readonly #maxMessageBytes: number;
    #peer: QuicPeer | undefined;
    #handlers: ConnectionHandlers | undefined;
    #paused = true;
    #greeted = false;
    #leaving: NodeJS.Timeout | undefined;
    #ended: Closed | undefined;
    #seen = 0;
    /** Called once TLS is through. */
    onEstablished: () => void = () => {};
    /** Called with the peer's first frame. */
    onGreeting: (text: string) => void = () => {};
    /** Called when the connection ends, in any case. */
    onGone: () => void = () => {};
    /** Called when the connection ends before somebody opened it. */
    onEnded: (how: Closed) => void = () => {};

    constructor(maxMessageBytes: number) {
        this.#maxMessageBytes = maxMessageBytes;
    }

    attach(peer: QuicPeer): void {
        this.#peer = peer;
    }

    greet(hello: unknown): void {
        this.#messages.queue.add(messageFrame(JSON.stringify(hello)));
        this.#peer?.wake();
    }

    open(handlers: ConnectionHandlers): void {
        this.#handlers = handlers;
        if (this.#ended !== undefined) {
            setImmediate(() => this.#tellEnded());
            return;
        }
        this.resume();
    }

    send(text: string, written?: (error?: Error) => void): void {
        this.#enqueue(this.#messages, text, written);
    }

    beat(text: string): void {
        this.#enqueue(this.#heartbeats, text);
    }

    get queuedBytes(): number {
        return this.#messages.queue.bytes;
    }

    pause(): void {
        this.#paused = true;
    }

    resume(): void {
        this.#paused = false;
        this.#peer?.wake();
    }

    ping(): void {
        this.#peer?.ping();
    }

    close(code: number, reason: string): void {
        if (this.#leaving !== undefined || this.#ended !== undefined) return;
        this.#messages.queue.add(goodbyeFrame({ code, reason }));
        this.#leave({ code, reason }, LAST_WORDS_MS);
        this.resume();
    }

    /** Cuts the connection when the peer has fallen silent: what was said before the goodbye may need a while on a slow path. */
    #leave(how: Closed, remainingMs: number): void {
        const heard = this.#peer?.received;
        this.#leaving = setTimeout(() => {
            const silent = this.#peer?.received === heard;
            if (silent || remainingMs <= GOODBYE_MS) this.#peer?.cut(how.code, how.reason);
            else this.#leave(how, remainingMs - GOODBYE_MS);
        }, GOODBYE_MS).unref();
    }

    destroy(): void {
        this.#peer?.cut(CUT, "");
    }

    established(): void {
        this.onEstablished();
    }

    progress(): void {
        const peer = this.#peer;
        if (peer === undefined) return;
        if (peer.received > this.#seen) {
            this.#seen = peer.received;
            this.#handlers?.alive?.();
        }
        try {
            if (!this.#greeted) this.#awaitGreeting(peer);
            // Heartbeats first, both ways: nothing may make them late.
            if (this.#greeted) for (const lane of [this.#heartbeats, this.#messages]) this.#read(peer, lane);
            for (const lane of [this.#heartbeats, this.#messages]) this.#write(peer, lane);
        } catch (thrown) {
            const code = thrown instanceof FrameError ? thrown.code : CloseCode.protocolError;
            peer.cut(code, thrown instanceof Error ? thrown.message : String(thrown));
        }
    }

    ended(how: Closed): void {
        clearTimeout(this.#leaving);
        this.#ended = how;
        this.onGone();
        const lost = new Error("the connection is closed");
        for (const { queue } of [this.#messages, this.#heartbeats]) queue.fail(lost);
        this.#tellEnded();
    }

    #tellEnded(): void {
        const how = this.#ended;
        if (how === undefined) return;
        const handlers = this.#handlers;
        this.#handlers = undefined;
        if (handlers === undefined) this.onEnded(how);
        else handlers.closed(how);
    }

    #enqueue({ queue }: Lane, text: string, written?: (error?: Error) => void): void {
        if (this.#ended !== undefined || this.#leaving !== undefined) {
            const late = new Error("the connection is closed");
            if (written !== undefined) setImmediate(() => written(late));
            return;
        }
        queue.add(messageFrame(text), written);
        this.#peer?.wake();
    }

    #awaitGreeting(peer: QuicPeer): void {
        const { reader, stream } = this.#messages;
        let frame = reader.next();
        for (let bytes = peer.read(stream); frame === undefined && bytes !== undefined; bytes = peer.read(stream)) {
            reader.push(bytes);
            frame = reader.next();
        }
        if (frame === undefined) return;
        this.#greeted = true;
        reader.limit = this.#maxMessageBytes;
        if ("goodbye" in frame) peer.cut(frame.goodbye.code, frame.goodbye.reason);
        else this.onGreeting(frame.text);
    }

    #read(peer: QuicPeer, { reader, stream }: Lane): void {
        while (!this.#paused) {
            const frame = reader.next();
            if (frame !== undefined) {
                this.#take(peer, frame);
                continue;
            }
            const bytes = peer.read(stream);
            if (bytes === undefined) return;
            reader.push(bytes);
        }
    }

    #take(peer: QuicPeer, frame: Frame): void {
        // The other end has said what it had to say; its last words become the reason of the end here and there.
        if ("goodbye" in frame) peer.cut(frame.goodbye.code, frame.goodbye.reason);
        else this.#handlers?.message(frame.text);
    }

    #write(peer: QuicPeer, { queue, stream }: Lane): void {
        if (queue.bytes === 0) return;
        const gone = queue.drain((bytes) => peer.write(stream, bytes));
        // Told in a later turn: what they do then must not run inside this one.
        if (gone.length > 0) setImmediate(() => gone.forEach((written) => void written()));
    }
}

function lane(stream: number): Lane {
    return { stream, reader: new FrameReader(HELLO_BYTES), queue: new SendQueue() };
}
