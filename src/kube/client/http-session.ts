// SPDX-License-Identifier: Apache-2.0
import http from "node:http";
import https from "node:https";
import type { Clock } from "../../core/clock.ts";
import type { ClusterConnection } from "./connection.ts";
import { HttpAnswer } from "./http-answer.ts";
import type { ApiAnswer, ApiRequest, ApiTransport } from "./transport.ts";

const IDLE_SOCKET_MS = 30_000;
const KEEP_ALIVE_PROBE_MS = 15_000;
const RETRYABLE = new Set(["GET", "PUT", "DELETE"]);

/** Keep-alive connections to one API server, with its CA and the caller's credentials. */
export class HttpSession implements ApiTransport {
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

    async send(request: ApiRequest): Promise<ApiAnswer> {
        const headers: Record<string, string> = { accept: "application/json", "user-agent": "redge" };
        if (request.body !== undefined) {
            headers["content-type"] = request.contentType ?? "application/json";
            headers["content-length"] = String(Buffer.byteLength(request.body));
        }
        const token = await this.#connection.token?.();
        if (token !== undefined) headers["authorization"] = `Bearer ${token}`;
        return new HttpAnswer(await this.#attempt(request, headers), this.#clock);
    }

    close(): void {
        this.#agent?.destroy();
        this.#agent = undefined;
    }

    /** A kept connection that the server closed meanwhile fails at once: then, and only then, one more try. */
    async #attempt(request: ApiRequest, headers: Record<string, string>): Promise<http.IncomingMessage> {
        const first = await this.#once(request, headers);
        if (!("stale" in first)) return first;
        const second = await this.#once(request, headers);
        if ("stale" in second) throw second.stale;
        return second;
    }

    #once(request: ApiRequest, headers: Record<string, string>): Promise<http.IncomingMessage | { stale: Error }> {
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
