// SPDX-License-Identifier: Apache-2.0
import type { IncomingMessage, ServerResponse } from "node:http";
import type { TLSSocket } from "node:tls";
import { errorText, isRedgeError } from "../../core/errors/redge-error.ts";
import type { Logger } from "../../core/log.ts";
import type { KubeClient } from "../../kube/client/client.ts";
import { Kinds } from "../../kube/types.ts";
import type { CloudIdentity } from "../../link/identity/ports.ts";

/** Largest certificate request that is read (wire protocol, section 1.5). */
const MAX_BODY_BYTES = 1024 * 1024;

/** How an identity refusal is answered over HTTP; everything else is 500, as in KubeEdge. */
const UNAUTHORIZED = /^REDGE_IDENTITY_/;

/** The HTTPS endpoints with which an edge node gets its certificate (wire protocol, section 4.2). */
export class Bootstrap {
    readonly #identity: CloudIdentity;
    readonly #cluster: KubeClient;
    readonly #log: Logger;

    constructor(identity: CloudIdentity, cluster: KubeClient, log: Logger) {
        this.#identity = identity;
        this.#cluster = cluster;
        this.#log = log;
    }

    /** Never rejects. */
    async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
        try {
            await this.#route(request, response);
        } catch (thrown) {
            const refused = isRedgeError(thrown) && UNAUTHORIZED.test(thrown.code);
            const code = refused ? 401 : 500;
            if (!response.headersSent) this.#refuse(request, response, code, errorText(thrown));
            else response.destroy();
        }
    }

    #refuse(request: IncomingMessage, response: ServerResponse, code: number, reason: string): void {
        const node = request.headers["nodename"];
        this.#log.warn("a bootstrap request was refused", { path: request.url, node, reason });
        answer(response, code, reason);
    }

    async #route(request: IncomingMessage, response: ServerResponse): Promise<void> {
        const path = (request.url ?? "").split("?")[0] ?? "";
        if (request.method !== "GET") return answer(response, 405, "Method Not Allowed");
        if (path === "/ca.crt") return answer(response, 200, this.#identity.caDer);
        if (path === "/edge.crt") return await this.#issue(request, response);
        const node = /^\/node\/([^/]+)$/.exec(path)?.[1];
        if (node !== undefined) return await this.#node(node, response);
        answer(response, 404, "Not Found");
    }

    async #issue(request: IncomingMessage, response: ServerResponse): Promise<void> {
        const nodeName = request.headers["nodename"];
        if (typeof nodeName !== "string" || nodeName === "") {
            return this.#refuse(request, response, 400, "header NodeName is missing");
        }
        const csrDer = await readBody(request);
        if (csrDer === undefined) {
            return this.#refuse(request, response, 413, "the certificate request is too large");
        }
        const proof = proofOf(request);
        if (proof === undefined) {
            return this.#refuse(request, response, 401, "neither a join token nor a client certificate");
        }
        const certificate = await this.#identity.issue({ nodeName, csrDer, proof });
        this.#log.info("issued a node certificate", { node: nodeName });
        answer(response, 200, certificate);
    }

    async #node(encoded: string, response: ServerResponse): Promise<void> {
        let name: string;
        try {
            name = decodeURIComponent(encoded);
        } catch {
            return answer(response, 400, "not a node name");
        }
        try {
            await this.#cluster.get({ type: Kinds.node, name });
            answer(response, 200, "Node founded");
        } catch (thrown) {
            if (!isRedgeError(thrown, "REDGE_KUBE_STATUS") || thrown.details["code"] !== 404) throw thrown;
            answer(response, 404, "Node not found");
        }
    }
}

/** A client certificate outranks the token, as in KubeEdge; whether it is a good one is for the identity to say. */
function proofOf(request: IncomingMessage): { token: string } | { clientCertificateDer: Buffer } | undefined {
    const socket = request.socket as TLSSocket;
    const raw = socket.getPeerCertificate().raw as Buffer | undefined;
    if (raw !== undefined) return { clientCertificateDer: raw };
    const token = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? "")?.[1];
    return token === undefined ? undefined : { token };
}

async function readBody(request: IncomingMessage): Promise<Buffer | undefined> {
    const parts: Buffer[] = [];
    let size = 0;
    for await (const part of request as AsyncIterable<Buffer>) {
        size += part.length;
        if (size > MAX_BODY_BYTES) return undefined;
        parts.push(part);
    }
    return Buffer.concat(parts);
}

function answer(response: ServerResponse, code: number, body: string | Buffer): void {
    const type = typeof body === "string" ? "text/plain; charset=utf-8" : "application/octet-stream";
    // Whoever is refused has to knock again.
    const ending = code >= 400 ? { Connection: "close" } : {};
    response.writeHead(code, { "Content-Type": type, "Content-Length": Buffer.byteLength(body), ...ending });
    response.end(body);
}
