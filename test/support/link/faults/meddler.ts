// SPDX-License-Identifier: Apache-2.0
import type { IncomingMessage } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { WebSocket, WebSocketServer } from "ws";
import { decodeEnvelope } from "../../../../src/envelope/codec.ts";
import { durableClass } from "../../../../src/link/durable.ts";
import type { TlsMaterial } from "../../../../src/link/identity/ports.ts";
import { SESSION_HEADER } from "../../../../src/link/session.ts";

const HEADERS = ["node_id", "project_id", "connectionuse", SESSION_HEADER];
/** A message that is held back goes on after so long, though nothing overtakes it. */
const HOLD_MS = 200;

type Direction = "up" | "down";
type Send = (text: string) => void;

/**
 * Between edge and cloud, with the certificates of both: reads the messages, and while told to delivers them twice (at
 * once, and long after others) or in another order. Two that one stream may never overtake keep their order: pushes of one
 * object, and user data, whose order TCP and QUIC streams promise.
 */
export class Meddler {
    target = 0;
    duplicating = false;
    reordering = false;
    /** What was done, so that a run that did nothing is seen. */
    readonly counts = { duplicated: 0, reordered: 0 };
    readonly #server: Server;
    readonly #upgrader: WebSocketServer;
    readonly #nodeTls: TlsMaterial;
    readonly #random: () => number;
    readonly #answers = new WeakMap<IncomingMessage, string>();

    constructor(serverTls: TlsMaterial, nodeTls: TlsMaterial, random: () => number) {
        const { certPem: cert, keyPem: key, caPem: ca } = serverTls;
        this.#nodeTls = nodeTls;
        this.#random = random;
        this.#upgrader = new WebSocketServer({ noServer: true, perMessageDeflate: false, autoPong: false });
        this.#upgrader.on("headers", (headers, request) => {
            const answer = this.#answers.get(request);
            if (answer !== undefined) headers.push(`${SESSION_HEADER}: ${answer}`);
        });
        this.#server = createServer({ cert, key, ca, requestCert: true, rejectUnauthorized: true });
        this.#server.on("upgrade", (request, socket, head) => this.#join(request, socket, head));
    }

    get port(): number {
        return (this.#server.address() as AddressInfo).port;
    }

    async start(): Promise<void> {
        await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    }

    async stop(): Promise<void> {
        const closed = new Promise((resolve) => this.#server.close(resolve));
        for (const client of this.#upgrader.clients) client.terminate();
        this.#server.closeAllConnections();
        await closed;
    }

    #join(request: IncomingMessage, socket: Duplex, head: Buffer): void {
        const { certPem: cert, keyPem: key, caPem: ca } = this.#nodeTls;
        const headers = Object.fromEntries(HEADERS.map((name) => [name, String(request.headers[name] ?? "")]));
        const url = `wss://127.0.0.1:${this.target}${request.url ?? "/"}`;
        const cloud = new WebSocket(url, { cert, key, ca, headers, perMessageDeflate: false, autoPong: false });
        socket.on("error", () => {});
        cloud.on("error", () => socket.destroy());
        socket.once("close", () => cloud.terminate());
        cloud.once("upgrade", (response) => {
            const answer = response.headers[SESSION_HEADER];
            if (typeof answer === "string") this.#answers.set(request, answer);
        });
        cloud.once("open", () => {
            cloud.pause();
            this.#upgrader.handleUpgrade(request, socket, head, (edge) => {
                this.#relay(edge, cloud, "up");
                this.#relay(cloud, edge, "down");
                cloud.resume();
            });
        });
    }

    #relay(from: WebSocket, to: WebSocket, direction: Direction): void {
        const stream = new MeddledStream(this, direction, this.#random, (text) => {
            if (to.readyState === WebSocket.OPEN) to.send(text);
        });
        from.on("error", () => {});
        from.on("message", (data) => stream.take(data.toString()));
        from.on("ping", (data) => to.readyState === WebSocket.OPEN && to.ping(data));
        from.on("pong", (data) => to.readyState === WebSocket.OPEN && to.pong(data));
        from.once("close", (code, reason) => {
            stream.end();
            if (code >= 4000 || code === 1012) to.close(code, reason.toString());
            else to.terminate();
        });
    }
}

interface Held {
    readonly text: string;
    readonly lane: string | undefined;
    /** How many messages may still overtake it. */
    left: number;
}

/** One direction of one connection. */
class MeddledStream {
    readonly #meddler: Meddler;
    readonly #direction: Direction;
    readonly #random: () => number;
    readonly #send: Send;
    #held: Held[] = [];
    /** Copies that come long after. */
    #late: { readonly text: string; left: number }[] = [];
    #timer: NodeJS.Timeout | undefined;

    constructor(meddler: Meddler, direction: Direction, random: () => number, send: Send) {
        this.#meddler = meddler;
        this.#direction = direction;
        this.#random = random;
        this.#send = send;
    }

    take(text: string): void {
        const lane = laneOf(text, this.#direction);
        if (lane !== undefined) this.#release((held) => held.lane === lane);
        if (this.#meddler.reordering && this.#random() < 0.3) {
            this.#held.push({ text, lane, left: 1 + Math.floor(this.#random() * 5) });
            this.#meddler.counts.reordered += 1;
            this.#timer ??= setTimeout(() => {
                this.#timer = undefined;
                this.#release(() => true);
            }, HOLD_MS);
            return;
        }
        this.#deliver(text);
        for (const held of this.#held) held.left -= 1;
        this.#release(({ left }) => left <= 0);
        for (const late of this.#late) late.left -= 1;
        for (const { text } of this.#late.filter(({ left }) => left <= 0)) this.#send(text);
        this.#late = this.#late.filter(({ left }) => left > 0);
    }

    end(): void {
        clearTimeout(this.#timer);
        this.#held = [];
        this.#late = [];
    }

    #deliver(text: string): void {
        this.#send(text);
        if (!this.#meddler.duplicating || this.#random() > 0.4) return;
        this.#meddler.counts.duplicated += 1;
        if (this.#random() < 0.5) this.#send(text);
        else this.#late.push({ text, left: 1 + Math.floor(this.#random() * 20) });
    }

    #release(which: (held: Held) => boolean): void {
        const free = this.#held.filter(which);
        if (free.length === 0) return;
        this.#held = this.#held.filter((held) => !free.includes(held));
        for (const { text } of free) this.#deliver(text);
    }
}

/**
 * Messages of one lane never overtake each other; those without one go as they like. What has to arrive in order has a
 * lane: a stream keeps it, and there is no number in a message by which a receiver could put it right.
 */
function laneOf(text: string, direction: Direction): string | undefined {
    const envelope = decodeEnvelope(text);
    if (envelope.header.parent_msg_id !== undefined) return undefined;
    if (direction === "down") return envelope.route.resource;
    const kind = durableClass(envelope);
    return kind === "user" || kind === "event" ? kind : undefined;
}
