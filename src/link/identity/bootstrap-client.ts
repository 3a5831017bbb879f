// SPDX-License-Identifier: Apache-2.0
import { type RequestOptions, request } from "node:https";
import { errorText, RedgeError } from "../../core/errors/redge-error.ts";
import { hashOf } from "./join-token.ts";

/** KubeEdge's own limit for the whole exchange. */
const TIMEOUT_MS = 30_000;
/** Certificates are below 2 KiB; an answer beyond this is no certificate. */
const MAX_ANSWER_BYTES = 64 * 1024;

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
export async function fetchCa(cloudUrl: string, caHash: string, signal?: AbortSignal): Promise<Buffer> {
    const caDer = await exchange(cloudUrl, "/ca.crt", { rejectUnauthorized: false }, undefined, signal);
    if (hashOf(caDer) !== caHash) throw new RedgeError("REDGE_IDENTITY_CA_MISMATCH", { cloud: cloudUrl });
    return caDer;
}

/**
 * `GET /edge.crt` with the request in its body (wire protocol, section 4.3). Answers the certificate as DER.
 * @throws REDGE_IDENTITY_UNREACHABLE, REDGE_IDENTITY_REFUSED
 */
export function orderCertificate(cloudUrl: string, order: CertificateOrder, signal?: AbortSignal): Promise<Buffer> {
    const { nodeName, csrDer, caPem, proof } = order;
    const identity =
        "jwt" in proof
            ? { headers: { Authorization: `Bearer ${proof.jwt}` } }
            : { headers: {}, cert: proof.certPem, key: proof.keyPem };
    const headers = { ...identity.headers, NodeName: nodeName, "Content-Length": csrDer.length };
    return exchange(cloudUrl, "/edge.crt", { ...identity, ca: caPem, headers }, csrDer, signal);
}

function exchange(
    cloudUrl: string,
    path: string,
    options: RequestOptions,
    body: Buffer | undefined,
    signal: AbortSignal | undefined,
): Promise<Buffer> {
    return new Promise((resolve, reject) => {
        const fail = (error: unknown): void => {
            const reason = errorText(error);
            reject(new RedgeError("REDGE_IDENTITY_UNREACHABLE", { cloud: cloudUrl, reason }, error));
        };
        const limit = AbortSignal.timeout(TIMEOUT_MS);
        const ended = signal === undefined ? limit : AbortSignal.any([limit, signal]);
        const url = new URL(path, cloudUrl);
        const sent = request(url, { ...options, method: "GET", agent: false, signal: ended }, (answer) => {
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
                else reject(refusal(cloudUrl, status, content));
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
