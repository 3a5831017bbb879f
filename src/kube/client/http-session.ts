// SPDX-License-Identifier: Apache-2.0
import http from "node:http";
import https from "node:https";
import type { Clock } from "../../core/clock.ts";
import type { ClusterConnection } from "./connection.ts";
import { unreachable } from "./status-error.ts";

export interface HttpRequest {
    readonly method: string;
    /** With the query, from /api on. */
    readonly path: string;
    readonly body?: string | undefined;
    readonly contentType?: string | undefined;
    readonly signal?: AbortSignal | undefined;
    /** Without an answer's head for this long the request is given up. */
    readonly timeoutMs: number;
}

const IDLE_SOCKET_MS = 30_000;
const KEEP_ALIVE_PROBE_MS = 15_000;
const RETRYABLE = new Set(["GET", "PUT", "DELETE"]);

/** Keep-alive connections to one API server, with its CA and the caller's credentials. */
export class HttpSession {
    readonly #connection: ClusterConnection;
    readonly #clock: Clock;
    readonly #base: URL;
    #agent: http.Agent | undefined;

    constructor(connection: ClusterConnection, clock: Clock) {
        this.#connection = connection;
        this.#clock = clock;
        this.#base = new URL(connection.server);
    }

    get server(): string {
        return this.#connection.server;
    }

    /** Sends and resolves with the answer's head; the body is the caller's to read. Throws REDGE_KUBE_UNREACHABLE. */
    async send(request: HttpRequest): Promise<http.IncomingMessage> {
        const headers: Record<string, string> = { accept: "application/json", "user-agent": "redge" };
        if (request.body !== undefined) {
            headers["content-type"] = request.contentType ?? "application/json";
            headers["content-length"] = String(Buffer.byteLength(request.body));
        }
        try {
            const token = await this.#connection.token?.();
            if (token !== undefined) headers["authorization"] = `Bearer ${token}`;
            return await this.#attempt(request, headers);
        } catch (failure) {
            throw unreachable(this.server, failure);
        }
    }

    close(): void {
        this.#agent?.destroy();
        this.#agent = undefined;
    }

    /** A kept connection that the server closed meanwhile fails at once: then, and only then, one more try. */
    async #attempt(request: HttpRequest, headers: Record<string, string>): Promise<http.IncomingMessage> {
        const first = await this.#once(request, headers);
        if (!("stale" in first)) return first;
        const second = await this.#once(request, headers);
        if ("stale" in second) throw second.stale;
        return second;
    }

    #once(request: HttpRequest, headers: Record<string, string>): Promise<http.IncomingMessage | { stale: Error }> {
        const plain = this.#base.protocol === "http:";
        this.#agent ??= plain ? new http.Agent(AGENT_OPTIONS) : new https.Agent(this.#tlsOptions());
        const options: http.RequestOptions = {
            method: request.method,
            protocol: this.#base.protocol,
            hostname: this.#base.hostname.replace(/^\[|\]$/g, ""),
            port: this.#base.port === "" ? undefined : this.#base.port,
            path: this.#base.pathname.replace(/\/$/, "") + request.path,
            headers,
            agent: this.#agent,
            signal: request.signal,
        };
        return new Promise((resolve, reject) => {
            const sent = (plain ? http : https).request(options);
            const timer = this.#clock.after(request.timeoutMs, () => {
                sent.destroy(new Error(`no answer to ${request.method} ${request.path} in ${request.timeoutMs} ms`));
            });
            sent.once("response", (response) => {
                timer.cancel();
                resolve(response);
            });
            sent.on("error", (error: NodeJS.ErrnoException) => {
                timer.cancel();
                const stale = sent.reusedSocket && (error.code === "ECONNRESET" || error.code === "EPIPE");
                if (stale && RETRYABLE.has(request.method)) resolve({ stale: error });
                else reject(error);
            });
            sent.end(request.body);
        });
    }

    #tlsOptions(): https.AgentOptions {
        const { caPem, certPem, keyPem, tlsServerName, insecureSkipTlsVerify } = this.#connection;
        return {
            ...AGENT_OPTIONS,
            ...(caPem === undefined ? {} : { ca: caPem }),
            ...(certPem === undefined ? {} : { cert: certPem }),
            ...(keyPem === undefined ? {} : { key: keyPem }),
            ...(tlsServerName === undefined ? {} : { servername: tlsServerName }),
            rejectUnauthorized: insecureSkipTlsVerify !== true,
        };
    }
}

// The idle limit closes kept sockets before a server's own (90 s and more) does, which would lose a race with a request.
const AGENT_OPTIONS = { keepAlive: true, keepAliveMsecs: KEEP_ALIVE_PROBE_MS, timeout: IDLE_SOCKET_MS };
