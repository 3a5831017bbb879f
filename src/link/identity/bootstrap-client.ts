// SPDX-License-Identifier: Apache-2.0
import { type RequestOptions, request } from "node:https";
import type { ConnectionOptions } from "node:tls";
import { errorText, RedgeError } from "../../core/errors/redge-error.ts";
import { proxiedTls } from "../transport/proxy.ts";
import { hashOf } from "./join-token.ts";

/** KubeEdge's own limit for the whole exchange. */
const TIMEOUT_MS = 30_000;
/** Certificates are below 2 KiB; an answer beyond this is no certificate. */
const MAX_ANSWER_BYTES = 64 * 1024;

/** Where the cloud is, and how to get there. */
export interface CloudAddress {
    readonly url: string;
    /** Forward proxy, `http://[user:password@]host:port`. */
    readonly proxy?: string | undefined;
}

export interface CertificateOrder {
    readonly nodeName: string;
    readonly csrDer: Buffer;
    readonly caPem: string;
    /** Either the JWT of a join token or the pair the node has now (PEM). */
    readonly proof: { readonly jwt: string } | { readonly certPem: string; readonly keyPem: string };
}

/**
 * `GET /ca.crt`. The connection cannot be verified yet: the hash in the join token is what vouches for the answer.
 * @throws REDGE_IDENTITY_UNREACHABLE, REDGE_IDENTITY_REFUSED, REDGE_IDENTITY_CA_MISMATCH
 */
export async function fetchCa(cloud: CloudAddress, caHash: string, signal?: AbortSignal): Promise<Buffer> {
    const caDer = await exchange(cloud, "/ca.crt", { rejectUnauthorized: false }, undefined, signal);
    if (hashOf(caDer) !== caHash) throw new RedgeError("REDGE_IDENTITY_CA_MISMATCH", { cloud: cloud.url });
    return caDer;
}

/**
 * `GET /edge.crt` with the request in its body (wire protocol, section 4.3). Answers the certificate as DER.
 * @throws REDGE_IDENTITY_UNREACHABLE, REDGE_IDENTITY_REFUSED
 */
export function orderCertificate(cloud: CloudAddress, order: CertificateOrder, signal?: AbortSignal): Promise<Buffer> {
    const { nodeName, csrDer, caPem, proof } = order;
    const identity =
        "jwt" in proof
            ? { headers: { Authorization: `Bearer ${proof.jwt}` } }
            : { headers: {}, cert: proof.certPem, key: proof.keyPem };
    const headers = { ...identity.headers, NodeName: nodeName, "Content-Length": csrDer.length };
    return exchange(cloud, "/edge.crt", { ...identity, ca: caPem, headers }, csrDer, signal);
}

async function exchange(
    cloud: CloudAddress,
    path: string,
    options: RequestOptions,
    body: Buffer | undefined,
    signal: AbortSignal | undefined,
): Promise<Buffer> {
    const unreachable = (error: unknown): RedgeError =>
        new RedgeError("REDGE_IDENTITY_UNREACHABLE", { cloud: cloud.url, reason: errorText(error) }, error);
    const url = new URL(path, cloud.url);
    let connection: Pick<RequestOptions, "agent" | "createConnection"> = { agent: false };
    if (cloud.proxy !== undefined) {
        try {
            const socket = await proxiedTls(cloud.proxy, url, options as ConnectionOptions, TIMEOUT_MS);
            connection = { createConnection: () => socket };
        } catch (error) {
            throw unreachable(error);
        }
    }
    return await new Promise((resolve, reject) => {
        const fail = (error: unknown): void => reject(unreachable(error));
        const limit = AbortSignal.timeout(TIMEOUT_MS);
        const ended = signal === undefined ? limit : AbortSignal.any([limit, signal]);
        const sent = request(url, { ...options, ...connection, method: "GET", signal: ended }, (answer) => {
            const chunks: Buffer[] = [];
            let size = 0;
            answer.on("data", (chunk: Buffer) => {
                size += chunk.length;
                chunks.push(chunk);
                if (size > MAX_ANSWER_BYTES) answer.destroy(new Error("the answer is too long for a certificate"));
            });
            answer.on("error", fail);
            answer.on("end", () => {
                const content = Buffer.concat(chunks);
                const status = answer.statusCode ?? 0;
                if (status === 200) resolve(content);
                else reject(refusal(cloud.url, status, content));
            });
        });
        sent.on("error", fail);
        sent.end(body);
    });
}

function refusal(cloud: string, status: number, content: Buffer): RedgeError {
    const reason = content.toString("utf8").trim().slice(0, 300) || "no reason given";
    return new RedgeError("REDGE_IDENTITY_REFUSED", { cloud, status, reason });
}
