// SPDX-License-Identifier: Apache-2.0
import { createHash, createHmac, randomUUID, timingSafeEqual } from "node:crypto";
import type { Clock } from "../../core/clock.ts";
import { RedgeError } from "../../core/errors/redge-error.ts";
import type { KubeClient } from "../../kube/client/client.ts";
import { secretStorage } from "./authority-storage.ts";
import { CertificateAuthority } from "./certificate-authority.ts";
import type { JoinTokenRequest } from "./ports.ts";

/** Where KubeEdge keeps its Secrets. */
export const KUBEEDGE_NAMESPACE = "kubeedge";

/** What a join token says. KubeEdge's own tokens hold `exp` alone. */
export interface TokenClaims {
    /** Seconds since the epoch. */
    readonly exp: number;
    /** Names the token in the records of uses and revocations. */
    readonly id: string;
    readonly node?: string;
    readonly uses?: number;
}

/** The two halves of `<sha256 of the CA, hex>.<JWT>`. */
export interface SplitToken {
    readonly caHash: string;
    readonly jwt: string;
}

/** @throws REDGE_IDENTITY_TOKEN_FORMAT */
export function splitToken(token: string): SplitToken {
    const [caHash = "", ...jwt] = token.trim().split(".");
    if (jwt.length !== 3) throw new RedgeError("REDGE_IDENTITY_TOKEN_FORMAT", { reason: "it has not four parts" });
    if (!/^[0-9a-f]{64}$/i.test(caHash))
        throw new RedgeError("REDGE_IDENTITY_TOKEN_FORMAT", { reason: "it does not begin with a SHA-256 hash" });
    return { caHash: caHash.toLowerCase(), jwt: jwt.join(".") };
}

/** A token in KubeEdge's format (wire protocol, section 4.1), its limits in claims that KubeEdge ignores. */
export function makeToken(authority: CertificateAuthority, request: JoinTokenRequest, nowMs: number): string {
    const claims = {
        exp: Math.ceil((nowMs + request.ttlMs) / 1000),
        jti: randomUUID(),
        ...(request.nodeName === undefined ? {} : { node: request.nodeName }),
        ...(request.uses === undefined ? {} : { uses: request.uses }),
    };
    const signed = `${encode({ alg: "HS256", typ: "JWT" })}.${encode(claims)}`;
    const signature = signatureOf(signed, authority.tokenKey).toString("base64url");
    return `${hashOf(authority.der)}.${signed}.${signature}`;
}

/**
 * Checks signature and expiry. Takes the JWT, or the whole token.
 * @throws REDGE_IDENTITY_TOKEN_FORMAT, REDGE_IDENTITY_TOKEN_INVALID, REDGE_IDENTITY_TOKEN_EXPIRED
 */
export function readToken(token: string, key: Buffer, nowMs: number): TokenClaims {
    const parts = token.trim().split(".").slice(-3);
    const [header = "", payload = "", signature = ""] = parts;
    if (parts.length !== 3) throw new RedgeError("REDGE_IDENTITY_TOKEN_FORMAT", { reason: "it has not three parts" });
    const expected = signatureOf(`${header}.${payload}`, key);
    const given = Buffer.from(signature, "base64url");
    if (decode(header)["alg"] !== "HS256" || given.length !== expected.length || !timingSafeEqual(given, expected))
        throw new RedgeError("REDGE_IDENTITY_TOKEN_INVALID");
    const { exp, jti, node, uses } = decode(payload);
    // Without an expiry it is none of ours nor of KubeEdge's, whoever signed it.
    if (typeof exp !== "number") throw new RedgeError("REDGE_IDENTITY_TOKEN_INVALID");
    if (nowMs >= exp * 1000)
        throw new RedgeError("REDGE_IDENTITY_TOKEN_EXPIRED", { at: new Date(exp * 1000).toISOString() });
    return {
        exp,
        id: typeof jti === "string" ? jti : createHash("sha256").update(payload).digest("base64url"),
        ...(typeof node === "string" ? { node } : {}),
        ...(typeof uses === "number" ? { uses } : {}),
    };
}

/**
 * Makes a token beside a running cloud: all it needs is access to the Secrets that the cloud shares.
 * @throws REDGE_IDENTITY_MATERIAL, REDGE_IDENTITY_STORAGE
 */
export async function createJoinToken(
    cluster: KubeClient,
    request: JoinTokenRequest,
    clock: Clock,
    namespace = KUBEEDGE_NAMESPACE,
): Promise<string> {
    const authority = await CertificateAuthority.load(secretStorage(cluster, namespace), clock);
    return makeToken(authority, request, clock.nowMs());
}

export function hashOf(caDer: Buffer): string {
    return createHash("sha256").update(caDer).digest("hex");
}

function signatureOf(signed: string, key: Buffer): Buffer {
    return createHmac("sha256", key).update(signed).digest();
}

function encode(value: unknown): string {
    return Buffer.from(JSON.stringify(value), "utf8").toString("base64url");
}

function decode(part: string): Record<string, unknown> {
    try {
        const parsed: unknown = JSON.parse(Buffer.from(part, "base64url").toString("utf8"));
        if (typeof parsed === "object" && parsed !== null) return parsed as Record<string, unknown>;
    } catch {
        // Told below, as for any other text that is not a JSON object.
    }
    throw new RedgeError("REDGE_IDENTITY_TOKEN_FORMAT", { reason: "a part of it is not base64url JSON" });
}
