// SPDX-License-Identifier: Apache-2.0
import { createServer as createHttp, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createHttps, type Server as HttpsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { errorText, RedgeError } from "../../core/errors/redge-error.ts";
import type { CloudIdentity } from "../../link/identity/ports.ts";
import type { RouterConfig } from "./config.ts";

export interface RestRequest {
    readonly node: string;
    readonly namespace: string;
    /** Without the node and the namespace, and without the query. */
    readonly path: string;
    /** With its question mark, or empty. */
    readonly query: string;
    readonly method: string;
    readonly authorization: string | undefined;
    readonly headers: Readonly<Record<string, readonly string[]>>;
    readonly body: () => Promise<Buffer>;
}

export type ListenerConfig = Pick<RouterConfig, "host" | "port" | "tls">;

export interface RestAnswer {
    readonly status: number;
    readonly headers?: Readonly<Record<string, readonly string[]>>;
    readonly body: Buffer | string;
}

const BODY_LIMIT_BYTES = 12 * 1024 * 1024;
const STOP_MS = 1000;
/** Of one connection, not of the message. */
const HOP_HEADERS = new Set([
    "connection",
    "keep-alive",
    "transfer-encoding",
    "upgrade",
    "te",
    "trailer",
    "content-length",
]);

/** `https://<cloud>:9443/<node>/<namespace>/<path>`: requests for edge nodes, by rules whose source is of type rest. */
export class RestListener {
    readonly #config: ListenerConfig;
    readonly #identity: CloudIdentity;
    readonly #answer: (request: RestRequest) => Promise<RestAnswer>;
    #server: Server | HttpsServer | undefined;
    #unlisten: (() => void) | undefined;

    constructor(
        config: ListenerConfig,
        identity: CloudIdentity,
        answer: (request: RestRequest) => Promise<RestAnswer>,
    ) {
        this.#config = config;
        this.#identity = identity;
        this.#answer = answer;
    }

    /** @throws REDGE_ROUTER_LISTEN */
    async start(): Promise<number> {
        const handle = (request: IncomingMessage, response: ServerResponse): void =>
            void this.#handle(request, response);
        const server = this.#config.tls ? await this.#https(handle) : createHttp(handle);
        server.requestTimeout = 60_000;
        this.#server = server;
        const { host, port } = this.#config;
        await new Promise<void>((resolve, reject) => {
            server.once("error", (thrown) =>
                reject(new RedgeError("REDGE_ROUTER_LISTEN", { host, port, reason: errorText(thrown) }, thrown)),
            );
            server.listen(port, host, resolve);
        });
        return (server.address() as AddressInfo).port;
    }

    async stop(): Promise<void> {
        this.#unlisten?.();
        const server = this.#server;
        this.#server = undefined;
        if (server === undefined) return;
        const cut = setTimeout(() => server.closeAllConnections(), STOP_MS);
        await new Promise<void>((resolve) => server.close(() => resolve()));
        clearTimeout(cut);
    }

    async #https(handle: (request: IncomingMessage, response: ServerResponse) => void): Promise<HttpsServer> {
        const material = async () => {
            const { certPem, keyPem } = await this.#identity.serverTls();
            return { cert: certPem, key: keyPem, minVersion: "TLSv1.2" } as const;
        };
        const server = createHttps(await material(), handle);
        this.#unlisten = this.#identity.onRenewed(() => {
            material().then(
                (renewed) => server.setSecureContext(renewed),
                (thrown: unknown) => server.emit("clientError", thrown),
            );
        });
        return server;
    }

    async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
        let answer: RestAnswer;
        try {
            answer = await this.#answer(parse(request));
        } catch (thrown) {
            answer = { status: thrown instanceof BadRequest ? thrown.status : 500, body: `${errorText(thrown)}\n` };
        }
        if (response.destroyed) return;
        response.statusCode = answer.status;
        for (const [name, values] of Object.entries(answer.headers ?? {})) {
            if (!HOP_HEADERS.has(name.toLowerCase())) response.setHeader(name, [...values]);
        }
        // What was not read of a refused request is not worth a connection.
        if (!request.complete) response.setHeader("connection", "close");
        response.end(answer.body);
    }
}

class BadRequest extends Error {
    readonly status: number;

    constructor(status: number, message: string) {
        super(message);
        this.status = status;
    }
}

function parse(request: IncomingMessage): RestRequest {
    const [raw = "/", ...queries] = (request.url ?? "/").split("?");
    const [node, namespace, ...segments] = raw.split("/").slice(1).map(decoded);
    if (!node || !namespace) throw new BadRequest(404, "the address is /<node>/<namespace>/<path of a rule>");
    return {
        node,
        namespace,
        path: segments.join("/"),
        query: queries.length === 0 ? "" : `?${queries.join("?")}`,
        method: request.method ?? "GET",
        authorization: request.headers.authorization,
        headers: endToEnd(request.headersDistinct),
        body: () => bodyOf(request),
    };
}

function decoded(segment: string): string {
    try {
        return decodeURIComponent(segment);
    } catch {
        throw new BadRequest(400, `the address holds ${segment}, which is no percent-encoding`);
    }
}

/** The caller's proof is for this end, not for the service at the edge. */
function endToEnd(headers: NodeJS.Dict<string[]>): Record<string, readonly string[]> {
    const kept = Object.entries(headers).filter(
        ([name]) => !HOP_HEADERS.has(name) && name !== "authorization" && name !== "host",
    );
    return Object.fromEntries(kept.map(([name, values]) => [name, values ?? []]));
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of request as AsyncIterable<Buffer>) {
        size += chunk.byteLength;
        if (size > BODY_LIMIT_BYTES) throw new BadRequest(413, `the body is larger than ${BODY_LIMIT_BYTES} bytes`);
        chunks.push(chunk);
    }
    return Buffer.concat(chunks);
}
