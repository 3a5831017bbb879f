// SPDX-License-Identifier: Apache-2.0
import { randomUUID } from "node:crypto";
import { createSecureContext, type SecureContext } from "node:tls";
import { errorText } from "../../src/core/errors/redge-error.ts";
import { Backoff } from "../../src/link/backoff.ts";
import type { TlsMaterial } from "../../src/link/identity/ports.ts";
import { DEFAULT_PROJECT } from "../../src/link/session.ts";
import type { LinkConnection } from "../../src/link/transport/connection.ts";
import { dialQuic } from "../../src/link/transport/quic/dial.ts";
import { LightSocket } from "./light-socket.ts";

export interface LoadEdgeOptions {
    readonly node: string;
    /** 127.0.0.1 unless told otherwise. */
    readonly host?: string;
    readonly port: number;
    /** UDP port of the same CloudHub: speak QUIC there instead of WebSocket. */
    readonly quicPort?: number | undefined;
    readonly tls: TlsMaterial;
    /** Speak as a Redge edge; otherwise as a stock EdgeCore, to any CloudHub. */
    readonly redge: boolean;
    readonly heartbeatMs: number;
}

export interface Message {
    readonly header: { readonly msg_id: string; readonly parent_msg_id?: string; readonly timestamp: number };
    readonly route: { readonly operation: string; readonly resource: string; readonly group?: string };
    readonly content: unknown;
}

/** One edge node of a load: the least that keeps a CloudHub content, in as little memory as possible. */
export class LoadEdge {
    readonly #options: LoadEdgeOptions;
    readonly #backoff = new Backoff({ firstMs: 250, maxMs: 30_000 }, Math.random);
    readonly #waiting = new Map<string, (answer: Message) => void>();
    #context: SecureContext | undefined;
    #socket: LightSocket | undefined;
    #quic: LinkConnection | undefined;
    #ticket: Buffer | undefined;
    #heartbeat: NodeJS.Timeout | undefined;
    #stopped = false;
    /** Requests that got no answer and were sent again. */
    repeats = 0;
    /** Why the connection ended last, for whoever waits in vain. */
    lastTrouble = "";
    onConnected: () => void = () => {};
    onPush: (message: Message) => void = () => {};

    constructor(options: LoadEdgeOptions) {
        this.#options = options;
    }

    get node(): string {
        return this.#options.node;
    }

    get connected(): boolean {
        return this.#quic !== undefined || this.#socket?.open === true;
    }

    connect(): void {
        const { quicPort } = this.#options;
        if (quicPort === undefined) this.#connectWebSocket();
        else void this.#connectQuic(quicPort);
    }

    async #connectQuic(port: number): Promise<void> {
        const { node, tls } = this.#options;
        try {
            const { connection } = await dialQuic({
                host: "127.0.0.1",
                port,
                tls,
                hello: { nodeName: node, projectId: "bench", session: { version: 1, store: "bench", window: 1024 } },
                timeoutMs: 30_000,
                maxMessageBytes: 33_554_432,
                signal: new AbortController().signal,
            });
            this.#quic = connection;
            connection.open({
                message: (text) => this.#onMessage(text),
                closed: () => {
                    this.#quic = undefined;
                    this.#onClosed();
                },
            });
            this.#onOpen();
        } catch (thrown) {
            this.lastTrouble = errorText(thrown);
            this.#onClosed();
        }
    }

    #onOpen(): void {
        this.#backoff.reset();
        this.#beat();
        this.#heartbeat = setInterval(() => this.#beat(), this.#options.heartbeatMs);
        this.onConnected();
    }

    #onClosed(): void {
        clearInterval(this.#heartbeat);
        this.#waiting.clear();
        if (!this.#stopped) setTimeout(() => this.connect(), this.#backoff.next());
    }

    /** Reads certificate and key, so that it is not done while something is measured. */
    prepare(): void {
        const { certPem: cert, keyPem: key, caPem: ca } = this.#options.tls;
        this.#context ??= createSecureContext({ cert, key, ca });
    }

    #connectWebSocket(): void {
        this.prepare();
        const context = this.#context;
        if (context === undefined) return;
        const { node, host = "127.0.0.1", port, redge } = this.#options;
        this.#socket = new LightSocket(
            {
                host,
                port,
                path: `/${DEFAULT_PROJECT}/${node}/events`,
                headers: {
                    node_id: node,
                    project_id: DEFAULT_PROJECT,
                    ConnectionUse: "msg",
                    ...(redge ? { "redge-session": "v=1; store=bench; window=1024" } : {}),
                },
                context,
                ticket: this.#ticket,
            },
            {
                opened: () => this.#onOpen(),
                message: (text) => this.#onMessage(text),
                ticket: (ticket) => {
                    this.#ticket = ticket;
                },
                closed: (why) => {
                    this.lastTrouble = why;
                    this.#onClosed();
                },
            },
        );
    }

    stop(): void {
        this.#stopped = true;
        clearInterval(this.#heartbeat);
        this.#socket?.destroy();
        this.#quic?.destroy();
    }

    send(route: Record<string, string>, content: unknown, parent?: string): string {
        const id = randomUUID();
        const header = {
            msg_id: id,
            ...(parent === undefined ? {} : { parent_msg_id: parent }),
            timestamp: Date.now(),
        };
        const text = JSON.stringify({ header, route, content });
        if (this.#quic === undefined) this.#socket?.send(text);
        else this.#quic.send(text);
        return id;
    }

    /**
     * The same; without an answer in time it connects again and asks again. A stock CloudCore that has something to say to a
     * node before it has begun the node's session says nothing to it any more in that session.
     */
    async insist(route: Record<string, string>, content: unknown, patienceMs: number): Promise<Message> {
        for (;;) {
            const id = this.send(route, content);
            const answer = await new Promise<Message | undefined>((resolve) => {
                const timer = setTimeout(() => {
                    this.#waiting.delete(id);
                    resolve(undefined);
                }, patienceMs);
                this.#waiting.set(id, (message) => {
                    clearTimeout(timer);
                    resolve(message);
                });
            });
            if (answer !== undefined) return answer;
            this.repeats += 1;
            await this.#connectAgain();
        }
    }

    #connectAgain(): Promise<void> {
        return new Promise((resolve) => {
            this.onConnected = resolve;
            if (this.#quic === undefined) this.#socket?.destroy();
            else this.#quic.destroy();
        });
    }

    #beat(): void {
        this.send({ source: "websocket", group: "resource", operation: "keepalive", resource: "node" }, "ping");
    }

    #onMessage(text: string): void {
        const message = JSON.parse(text) as Message;
        const parent = message.header.parent_msg_id;
        if (parent !== undefined) {
            this.#waiting.get(parent)?.(message);
            this.#waiting.delete(parent);
            return;
        }
        if (message.route.group !== "resource") return;
        const { resource } = message.route;
        const id = message.header.msg_id;
        this.send({ source: "edgecontroller", group: "resource", operation: "response", resource }, "OK", id);
        this.onPush(message);
    }
}
