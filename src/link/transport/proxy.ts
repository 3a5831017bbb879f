// SPDX-License-Identifier: Apache-2.0
import { request as httpRequest } from "node:http";
import type { Socket } from "node:net";
import { type ConnectionOptions, type TLSSocket, connect as tlsConnect } from "node:tls";
import { RedgeError } from "../../core/errors/redge-error.ts";

/** An HTTP CONNECT tunnel (RFC 9110, section 9.3.6). */
export function throughProxy(proxy: string, authority: string, timeoutMs: number): Promise<Socket> {
    const { hostname, port, username, password } = new URL(proxy);
    const credentials = Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`);
    return new Promise((resolve, reject) => {
        const request = httpRequest({
            method: "CONNECT",
            host: hostname,
            port: Number(port || 80),
            path: authority,
            agent: false,
            timeout: timeoutMs,
            headers: {
                Host: authority,
                ...(username === "" ? {} : { "Proxy-Authorization": `Basic ${credentials.toString("base64")}` }),
            },
        });
        request.once("connect", (response, socket) => {
            if (response.statusCode === 200) {
                resolve(socket);
                return;
            }
            socket.destroy();
            const reason = `the proxy answered ${response.statusCode}`;
            reject(new RedgeError("REDGE_LINK_REFUSED", { url: authority, reason }));
        });
        request.once("response", (response) => {
            response.resume();
            const reason = `the proxy answered ${response.statusCode}`;
            reject(new RedgeError("REDGE_LINK_REFUSED", { url: authority, reason }));
        });
        request.once("timeout", () => request.destroy(new Error("the proxy does not answer")));
        request.once("error", reject);
        request.end();
    });
}

/** A TLS connection to the host of `url`, through a forward proxy; its handshake may still be under way. */
export async function proxiedTls(
    proxy: string,
    url: URL,
    options: ConnectionOptions,
    timeoutMs: number,
): Promise<TLSSocket> {
    const host = url.hostname.replace(/^\[|\]$/g, "");
    const socket = await throughProxy(proxy, `${url.hostname}:${url.port || 443}`, timeoutMs);
    // An address is checked as such, not as a name.
    return tlsConnect({ ...options, socket, host, servername: /^[\d.]+$|:/.test(host) ? "" : host });
}
