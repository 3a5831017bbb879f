// SPDX-License-Identifier: Apache-2.0
import { randomBytes, type X509Certificate } from "node:crypto";
import { createSocket, type Socket } from "node:dgram";
import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { errorText, RedgeError } from "../../../core/errors/redge-error.ts";
import { isRecord } from "../../../core/json.ts";
import { formatSession, NODE_HEADER, PROJECT_HEADER, parseSession, SESSION_HEADER } from "../../session.ts";
import type { Dialled, DialOptions } from "../dial.ts";
import { QuicConnection } from "./connection.ts";
import { parseJson } from "./frames.ts";
import { loadQuiche } from "./library.ts";
import { CUT, QuicPeer } from "./peer.ts";
import { quicConfig } from "./tls.ts";

export interface QuicDialOptions extends DialOptions {
    /** Name or address, without brackets. */
    readonly host: string;
    /** UDP. */
    readonly port: number;
}

/** A cloud that shows no sign of life for so long is gone. */
const IDLE_MS = 25_000;
/** How often a quiet link asks for one: also keeps the path open through routers that forget UDP quickly. */
const PROBE_MS = 5_000;
/** Codes with which a CloudHub refuses: HTTP statuses, as at a WebSocket upgrade. */
const isRefusal = (code: number): boolean => code >= 400 && code < 600;

/**
 * Opens a QUIC connection with mutual TLS and says hello on it.
 * @throws REDGE_LINK_REFUSED when the cloud answered and refused this node, REDGE_LINK_QUIC_LIBRARY,
 *   REDGE_LINK_QUIC_FAILED for everything after which WebSocket may still work
 */
export async function dialQuic(options: QuicDialOptions): Promise<Dialled> {
    const { host, port, signal } = options;
    const quiche = await loadQuiche();
    const url = `quic://${isIP(host) === 6 ? `[${host}]` : host}:${port}`;
    let socket: Socket | undefined;
    try {
        const { address, family } = await lookup(host);
        socket = createSocket(family === 6 ? "udp6" : "udp4");
        await connected(socket, port, address);
        if (signal.aborted) throw new Error("stopped");
        const remote = { host: address, port };
        const { address: ownHost, port: ownPort } = socket.address();
        const config = quicConfig(quiche, options.tls, IDLE_MS);
        const local = { host: ownHost, port: ownPort };
        const serverName = isIP(host) === 0 ? host : null;
        const native = quiche.Connection.connect(serverName, randomBytes(16), local, remote, config);
        const through = socket;
        const connection = new QuicConnection(options.maxMessageBytes);
        const peer = new QuicPeer(native, local, (datagram) => through.send(datagram, ignoreError), {
            established: () => connection.established(),
            progress: () => connection.progress(),
            ended: (how) => {
                through.close();
                connection.ended(how);
            },
        });
        connection.attach(peer);
        through.on("message", (datagram) => peer.receive(datagram, remote));
        // The system tells of a closed port or a lost network by the socket.
        through.on("error", (error) => peer.cut(CUT, errorText(error)));
        return await join(connection, peer, options, url);
    } catch (thrown) {
        if (thrown instanceof RedgeError) throw thrown;
        socket?.removeAllListeners().on("error", ignoreError);
        closeOnce(socket);
        throw new RedgeError("REDGE_LINK_QUIC_FAILED", { url, reason: errorText(thrown) }, thrown);
    }
}

/** Waits until the cloud has let this node in. */
function join(connection: QuicConnection, peer: QuicPeer, options: QuicDialOptions, url: string): Promise<Dialled> {
    const { hello, host, timeoutMs, signal } = options;
    return new Promise((resolve, reject) => {
        const fail = (reason: string): void => reject(new RedgeError("REDGE_LINK_QUIC_FAILED", { url, reason }));
        const patience = setTimeout(() => {
            fail(`no answer within ${timeoutMs} ms`);
            connection.destroy();
        }, timeoutMs);
        const abort = (): void => connection.destroy();
        const settled = (): void => {
            clearTimeout(patience);
            signal.removeEventListener("abort", abort);
        };
        signal.addEventListener("abort", abort, { once: true });
        connection.onEstablished = () => {
            if (isOf(peer.certificate(), host)) {
                connection.greet({
                    [NODE_HEADER]: hello.nodeName,
                    [PROJECT_HEADER]: hello.projectId,
                    [SESSION_HEADER]: formatSession(hello.session),
                });
            } else {
                fail(`the certificate is not for ${host}`);
                connection.destroy();
            }
        };
        connection.onGreeting = (text) => {
            settled();
            const said = parseJson(text);
            const header = isRecord(said) ? said[SESSION_HEADER] : undefined;
            const probe = setInterval(() => peer.ping(), PROBE_MS).unref();
            connection.onGone = () => clearInterval(probe);
            resolve({ connection, redge: parseSession(typeof header === "string" ? header : undefined) });
        };
        connection.onEnded = ({ code, reason }) => {
            settled();
            if (isRefusal(code)) reject(new RedgeError("REDGE_LINK_REFUSED", { url, reason: `${code} ${reason}` }));
            else fail(reason === "" ? `closed (${code})` : reason);
        };
    });
}

function connected(socket: Socket, port: number, address: string): Promise<void> {
    return new Promise((resolve, reject) => {
        socket.once("error", reject);
        socket.connect(port, address, () => {
            socket.removeListener("error", reject);
            resolve();
        });
    });
}

function isOf(certificate: X509Certificate | undefined, host: string): boolean {
    if (certificate === undefined) return false;
    return (isIP(host) === 0 ? certificate.checkHost(host) : certificate.checkIP(host)) !== undefined;
}

function closeOnce(socket: Socket | undefined): void {
    try {
        socket?.close();
    } catch {
        // Closed already.
    }
}

function ignoreError(): void {}
