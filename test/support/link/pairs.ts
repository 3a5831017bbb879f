// SPDX-License-Identifier: Apache-2.0
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { WebSocketServer } from "ws";
import { silentLogger } from "../../../src/core/log.ts";
import type { TlsMaterial } from "../../../src/link/identity/ports.ts";
import type { Closed, LinkConnection } from "../../../src/link/transport/connection.ts";
import { type DialOptions, dialWebSocket } from "../../../src/link/transport/dial.ts";
import { dialQuic } from "../../../src/link/transport/quic/dial.ts";
import { QuicServer } from "../../../src/link/transport/quic/server.ts";
import { WebSocketConnection } from "../../../src/link/transport/websocket.ts";
import { TestPki } from "./test-pki.ts";

export const pairPki = new TestPki();

/** The two ends of one connection, neither opened yet. */
export interface Pair {
    readonly cloud: LinkConnection;
    readonly edge: LinkConnection;
    /** Ends both and the listener. */
    end(): Promise<void>;
}

export const MAX_MESSAGE_BYTES = 8 * 1024 * 1024;

export function dialOptions(tls: TlsMaterial = pairPki.node("edge-1")): DialOptions {
    return {
        tls,
        hello: { nodeName: "edge-1", projectId: "p", session: { version: 1, store: "s", window: 16 } },
        timeoutMs: 60_000,
        maxMessageBytes: MAX_MESSAGE_BYTES,
        signal: new AbortController().signal,
    };
}

async function webSocketPair(): Promise<Pair> {
    const { certPem: cert, keyPem: key, caPem: ca } = pairPki.server();
    const server = createServer({ cert, key, ca, requestCert: true });
    const upgrader = new WebSocketServer({ noServer: true, maxPayload: MAX_MESSAGE_BYTES, perMessageDeflate: false });
    const accepted = new Promise<LinkConnection>((resolve) => {
        server.on("upgrade", (request, socket, head) =>
            upgrader.handleUpgrade(request, socket, head, (opened) => resolve(new WebSocketConnection(opened))),
        );
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    const url = `wss://127.0.0.1:${port}`;
    const dialled = await dialWebSocket({
        ...dialOptions(),
        url,
        proxy: undefined,
        ticket: undefined,
        onTicket: () => {},
    });
    const cloud = await accepted;
    const end = async (): Promise<void> => {
        cloud.destroy();
        dialled.connection.destroy();
        await new Promise<void>((resolve) => {
            server.close(() => resolve());
            server.closeAllConnections();
        });
    };
    return { cloud, edge: dialled.connection, end };
}

async function quicPair(): Promise<Pair> {
    let accept: (connection: LinkConnection) => void = () => {};
    const accepted = new Promise<LinkConnection>((resolve) => {
        accept = resolve;
    });
    const server = new QuicServer({
        host: "127.0.0.1",
        port: 0,
        maxMessageBytes: MAX_MESSAGE_BYTES,
        log: silentLogger,
        greeted: (connection) => {
            connection.greet({});
            accept(connection);
        },
    });
    await server.start(pairPki.server());
    const { connection: edge } = await dialQuic({ ...dialOptions(), host: "127.0.0.1", port: server.port });
    const cloud = await accepted;
    const end = async (): Promise<void> => {
        edge.destroy();
        await server.stop();
    };
    return { cloud, edge, end };
}

export const pairs: Readonly<Record<"websocket" | "quic", () => Promise<Pair>>> = {
    websocket: webSocketPair,
    quic: quicPair,
};

/** Opens one end and keeps what it hears. */
export class Ear {
    readonly messages: string[] = [];
    readonly endings: Closed[] = [];
    signsOfLife = 0;
    readonly #waiting: (() => void)[] = [];

    constructor(connection: LinkConnection) {
        connection.open({
            message: (text) => {
                this.messages.push(text);
                this.#wake();
            },
            closed: (how) => {
                this.endings.push(how);
                this.#wake();
            },
            alive: () => {
                this.signsOfLife += 1;
                this.#wake();
            },
        });
    }

    /** Until `fits` holds. The test's own time limit ends the wait. */
    async until(fits: () => boolean): Promise<void> {
        while (!fits()) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }

    #wake(): void {
        for (const resolve of this.#waiting.splice(0)) resolve();
    }
}
