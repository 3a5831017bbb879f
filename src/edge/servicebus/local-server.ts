// SPDX-License-Identifier: Apache-2.0
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { errorText, RedgeError } from "../../core/errors/redge-error.ts";
import { asText, isRecord } from "../../core/json.ts";

/** What a program gets, always with HTTP status 200 (KubeEdge device reference, section 7.6). */
export interface BusAnswer {
    readonly code: number;
    readonly msg: string;
    readonly body: string;
}

const BODY_LIMIT_BYTES = 5_000_000;
const STOP_MS = 500;

/** The HTTP address by which programs of this gateway send `{method, targetURL, payload}` to the cloud. */
export class LocalServer {
    readonly #host: string;
    readonly #port: number;
    readonly #take: (targetUrl: string, document: string) => Promise<BusAnswer>;
    #server: Server | undefined;

    constructor(host: string, port: number, take: (targetUrl: string, document: string) => Promise<BusAnswer>) {
        this.#host = host;
        this.#port = port;
        this.#take = take;
    }

    get port(): number | undefined {
        return (this.#server?.address() as AddressInfo | null | undefined)?.port;
    }

    /** @throws REDGE_SERVICEBUS_LISTEN */
    async start(): Promise<void> {
        if (this.#server !== undefined) return;
        const server = createServer((request, response) => void this.#handle(request, response));
        this.#server = server;
        try {
            await new Promise<void>((resolve, reject) => {
                server.once("error", reject);
                server.listen(this.#port, this.#host, resolve);
            });
        } catch (thrown) {
            this.#server = undefined;
            const details = { host: this.#host, port: this.#port, reason: errorText(thrown) };
            throw new RedgeError("REDGE_SERVICEBUS_LISTEN", details, thrown);
        }
    }

    async stop(): Promise<void> {
        const server = this.#server;
        this.#server = undefined;
        if (server === undefined) return;
        const cut = setTimeout(() => server.closeAllConnections(), STOP_MS);
        await new Promise<void>((resolve) => server.close(() => resolve()));
        clearTimeout(cut);
    }

    async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
        const answer = await this.#answer(request).catch((thrown: unknown) => refusal(400, errorText(thrown)));
        if (response.destroyed) return;
        response.setHeader("content-type", "application/json");
        if (!request.complete) response.setHeader("connection", "close");
        response.end(JSON.stringify(answer));
    }

    async #answer(request: IncomingMessage): Promise<BusAnswer> {
        // Programs send none; a web page opened at the gateway must not speak to the cloud in its name.
        if (request.headers.origin !== undefined) return refusal(403, "requests of web pages are not taken");
        const document = await bodyOf(request);
        let parsed: unknown;
        try {
            parsed = JSON.parse(document);
        } catch (thrown) {
            return refusal(400, `the request is not JSON: ${errorText(thrown)}`);
        }
        const targetUrl = isRecord(parsed) ? asText(parsed["targetURL"]) : undefined;
        if (targetUrl === undefined) return refusal(400, "targetURL is missing");
        return this.#take(targetUrl, document);
    }
}

export function refusal(code: number, msg: string): BusAnswer {
    return { code, msg, body: "" };
}

async function bodyOf(request: IncomingMessage): Promise<string> {
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of request as AsyncIterable<Buffer>) {
        size += chunk.byteLength;
        if (size > BODY_LIMIT_BYTES) throw new Error(`the request is larger than ${BODY_LIMIT_BYTES} bytes`);
        chunks.push(chunk);
    }
    return Buffer.concat(chunks).toString("utf8");
}
