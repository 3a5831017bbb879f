// SPDX-License-Identifier: Apache-2.0
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import type { TlsOptions } from "node:tls";
import { errorText, RedgeError } from "../../core/errors/redge-error.ts";
import type { Logger } from "../../core/log.ts";

/** An HTTPS server that is up. @throws REDGE_STREAM_LISTEN */
export async function listen(options: TlsOptions, host: string, port: number, log: Logger): Promise<Server> {
    const server = createServer({ ...options, minVersion: "TLSv1.2" });
    // Whoever cannot speak TLS or HTTP is dropped; nobody here has to do anything about it.
    server.on("tlsClientError", (error, socket) => {
        log.debug("TLS handshake failed", { from: socket.remoteAddress, reason: errorText(error) });
        socket.destroy();
    });
    server.on("clientError", (_error, socket) => socket.destroy());
    await new Promise<void>((resolve, reject) => {
        server.once("error", (error) => {
            reject(new RedgeError("REDGE_STREAM_LISTEN", { host, port, reason: errorText(error) }, error));
        });
        server.listen({ host, port }, resolve);
    });
    return server;
}

export function portOf(server: Server | undefined): number {
    return (server?.address() as AddressInfo | undefined)?.port ?? 0;
}

/** Stops listening and cuts what is open. */
export async function shut(server: Server | undefined): Promise<void> {
    if (server === undefined) return;
    await new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
    });
}
