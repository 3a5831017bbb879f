// SPDX-License-Identifier: Apache-2.0
import { hkdfSync } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import { errorText } from "../../core/errors/redge-error.ts";
import type { Logger } from "../../core/log.ts";
import type { CloudIdentity, TlsMaterial } from "../identity/ports.ts";

/** What one part does on a port. Who wants a client certificate checks it (`certificateTrouble`), and answers 401. */
export interface Entrance {
    readonly request?: (request: IncomingMessage, response: ServerResponse) => void;
    readonly upgrade?: (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
    /** Upgrades of this path alone; absent: all that no other entrance names. */
    readonly upgradePath?: string;
}

export interface Address {
    readonly host: string;
    /** 0 takes a free one. */
    readonly port: number;
}

export interface Entered {
    readonly port: number;
    /** Takes no more, cuts plain connections and waits for upgraded ones, which their part has to close. */
    leave(): Promise<void>;
}

/** Suites of KubeEdge for TLS 1.2 (wire protocol, sections 1.2 and 7.1) beside those of TLS 1.3. */
const CIPHERS = [
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-SHA256",
].join(":");

const doors = new WeakMap<CloudIdentity, FrontDoor>();

/** The one front door of everybody who serves with this identity. */
export function frontDoorOf(identity: CloudIdentity, log: Logger): FrontDoor {
    let door = doors.get(identity);
    if (door === undefined) {
        door = new FrontDoor(identity, log);
        doors.set(identity, door);
    }
    return door;
}

/**
 * The TLS ports of the cloud. Parts that name the same address share its port: certificates, messages and the tunnel tell
 * each other apart by HTTP request and path, so that all traffic of a site can go through 443.
 */
export class FrontDoor {
    readonly #identity: CloudIdentity;
    readonly #log: Logger;
    readonly #open = new Map<string, Promise<DoorPort>>();

    constructor(identity: CloudIdentity, log: Logger) {
        this.#identity = identity;
        this.#log = log;
    }

    /** @throws the network's own error when the port cannot be listened on, and what the identity rejects with */
    async enter({ host, port }: Address, entrance: Entrance): Promise<Entered> {
        const key = `${host} ${port}`;
        const shared = port === 0 ? undefined : this.#open.get(key);
        const opening = shared ?? this.#listen({ host, port });
        if (port !== 0) this.#open.set(key, opening);
        let door: DoorPort;
        try {
            door = await opening;
        } catch (thrown) {
            if (this.#open.get(key) === opening) this.#open.delete(key);
            throw thrown;
        }
        const actual = `${host} ${door.port}`;
        this.#open.set(actual, opening);
        door.add(entrance);
        return {
            port: door.port,
            leave: async () => {
                await door.remove(entrance, () => {
                    if (this.#open.get(actual) === opening) this.#open.delete(actual);
                });
            },
        };
    }

    async #listen(address: Address): Promise<DoorPort> {
        const door = new DoorPort(await this.#identity.serverTls(), this.#log);
        await door.listen(address);
        const unlisten = this.#identity.onRenewed(() => void this.#renew(door));
        door.onClosed(unlisten);
        return door;
    }

    async #renew(door: DoorPort): Promise<void> {
        try {
            door.renew(await this.#identity.serverTls());
        } catch (thrown) {
            this.#log.error("the renewed certificate cannot be used", { reason: errorText(thrown) });
        }
    }
}

/** One port and who is behind it. */
class DoorPort {
    readonly #server: Server;
    /** With the upgraded connections of each. */
    readonly #entrances = new Map<Entrance, Set<Duplex>>();
    #closed: (() => void) | undefined;

    constructor(material: TlsMaterial, log: Logger) {
        this.#server = createServer({ ...tlsOptions(material), requestCert: true, rejectUnauthorized: false });
        this.#server.on("request", (request, response) => {
            const taker = [...this.#entrances.keys()].find((entrance) => entrance.request !== undefined);
            if (taker?.request === undefined) response.writeHead(404).end();
            else taker.request(request, response);
        });
        this.#server.on("upgrade", (request, socket, head) => this.#upgrade(request, socket, head));
        // Whoever cannot speak TLS or HTTP is dropped; nobody here has to do anything about it.
        this.#server.on("tlsClientError", (error, socket) => {
            log.debug("TLS handshake failed", { from: socket.remoteAddress, reason: errorText(error) });
            socket.destroy();
        });
        this.#server.on("clientError", (_error, socket) => socket.destroy());
    }

    get port(): number {
        return (this.#server.address() as AddressInfo).port;
    }

    listen({ host, port }: Address): Promise<void> {
        return new Promise((resolve, reject) => {
            this.#server.once("error", reject);
            this.#server.listen({ host, port, backlog: 4096 }, resolve);
        });
    }

    onClosed(closed: () => void): void {
        this.#closed = closed;
    }

    renew(material: TlsMaterial): void {
        this.#server.setSecureContext(tlsOptions(material));
    }

    add(entrance: Entrance): void {
        this.#entrances.set(entrance, new Set());
    }

    /** `last` is called before the port is closed, which it is after its last entrance. */
    async remove(entrance: Entrance, last: () => void): Promise<void> {
        const upgraded = this.#entrances.get(entrance);
        if (upgraded === undefined) return;
        this.#entrances.delete(entrance);
        if (this.#entrances.size > 0) {
            await Promise.all([...upgraded].map((socket) => new Promise((resolve) => socket.once("close", resolve))));
            return;
        }
        last();
        this.#closed?.();
        await new Promise<void>((resolve) => {
            this.#server.close(() => resolve());
            this.#server.closeAllConnections();
        });
    }

    #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
        const path = request.url?.split("?")[0];
        const upgrading = [...this.#entrances].filter(([{ upgrade }]) => upgrade !== undefined);
        const taker =
            upgrading.find(([{ upgradePath }]) => upgradePath === path) ??
            upgrading.find(([{ upgradePath }]) => upgradePath === undefined);
        if (taker === undefined) {
            refuseUpgrade(socket, 404, "there is nothing at this path");
            return;
        }
        const [entrance, upgraded] = taker;
        upgraded.add(socket);
        socket.once("close", () => upgraded.delete(socket));
        entrance.upgrade?.(request, socket, head);
    }
}

const STATUS_TEXT: Readonly<Record<number, string>> = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    503: "Service Unavailable",
};

/** Answers an upgrade that is not wanted, and ends the connection. */
export function refuseUpgrade(socket: Duplex, status: number, reason: string): void {
    const body = `${reason}\n`;
    socket.on("error", () => socket.destroy());
    socket.end(
        `HTTP/1.1 ${status} ${STATUS_TEXT[status] ?? "Error"}\r\nConnection: close\r\n` +
            `Content-Type: text/plain; charset=utf-8\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
        () => socket.destroy(),
    );
}

/** Undefined when the peer showed a certificate of the CA that is good now, else what is wrong, for logs and answers. */
export function certificateTrouble(request: IncomingMessage): string | undefined {
    const socket = request.socket as TLSSocket;
    if (socket.authorized) return undefined;
    // A resumed session without one has nothing to say of it either.
    const shown = socket.getPeerX509Certificate() !== undefined;
    return shown
        ? `the client certificate is not valid (${String(socket.authorizationError)})`
        : "no client certificate";
}

/** Tickets stay good over a restart, and over replicas with the same key, so that a fleet comes back with short handshakes. */
function tlsOptions({ certPem, keyPem, caPem }: TlsMaterial) {
    const ticketKeys = Buffer.from(hkdfSync("sha256", keyPem, "", "redge cloudhub tls tickets", 48));
    return { cert: certPem, key: keyPem, ca: caPem, minVersion: "TLSv1.2", ciphers: CIPHERS, ticketKeys } as const;
}
