// SPDX-License-Identifier: Apache-2.0
import { createHash, createPublicKey, type KeyObject, randomUUID, sign, verify } from "node:crypto";
import { isRecord } from "../../../core/json.ts";

const ISSUER = "https://kubernetes.default.svc.cluster.local";
export const DEFAULT_AUDIENCE = ISSUER;

export interface TokenOrder {
    readonly namespace: string;
    readonly serviceAccount: { readonly name: string; readonly uid: string };
    readonly pod?: { readonly name: string; readonly uid: string } | undefined;
    readonly audiences: readonly string[];
    readonly expirationSeconds: number;
}

/** What a token says, once its signature and times were checked. */
export interface TokenClaims {
    readonly namespace: string;
    readonly serviceAccount: { readonly name: string; readonly uid: string };
    readonly pod: { readonly name: string; readonly uid: string } | undefined;
    readonly audiences: readonly string[];
}

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");

/** Bound service account tokens (KEP-1205): JWT, ES256. */
export class ServiceAccountTokens {
    readonly #key: KeyObject;
    readonly #publicKey: KeyObject;
    readonly #keyId: string;

    constructor(key: KeyObject) {
        this.#key = key;
        this.#publicKey = createPublicKey(key);
        this.#keyId = createHash("sha256")
            .update(this.#publicKey.export({ type: "spki", format: "der" }))
            .digest("base64url");
    }

    issue(order: TokenOrder, nowMs: number): { readonly token: string; readonly expiresAtMs: number } {
        const issuedAt = Math.floor(nowMs / 1000);
        const expires = issuedAt + order.expirationSeconds;
        const header = encode({ alg: "ES256", kid: this.#keyId });
        const payload = encode({
            aud: order.audiences,
            exp: expires,
            iat: issuedAt,
            iss: ISSUER,
            jti: randomUUID(),
            "kubernetes.io": {
                namespace: order.namespace,
                serviceaccount: order.serviceAccount,
                ...(order.pod === undefined ? {} : { pod: order.pod }),
            },
            nbf: issuedAt,
            sub: `system:serviceaccount:${order.namespace}:${order.serviceAccount.name}`,
        });
        const signature = sign("sha256", Buffer.from(`${header}.${payload}`), {
            key: this.#key,
            dsaEncoding: "ieee-p1363",
        });
        return { token: `${header}.${payload}.${signature.toString("base64url")}`, expiresAtMs: expires * 1000 };
    }

    /** Undefined for a token that is not ours, was altered or is not valid now. */
    read(token: string, nowMs: number): TokenClaims | undefined {
        const [header = "", payload = "", signature = "", more] = token.split(".");
        if (more !== undefined || signature === "") return undefined;
        if (parse(header)?.["alg"] !== "ES256") return undefined;
        const signed = { key: this.#publicKey, dsaEncoding: "ieee-p1363" } as const;
        if (!verify("sha256", Buffer.from(`${header}.${payload}`), signed, Buffer.from(signature, "base64url")))
            return undefined;
        const claims = parse(payload);
        const now = nowMs / 1000;
        if (claims === undefined || claims["iss"] !== ISSUER) return undefined;
        if (!(Number(claims["exp"]) > now) || Number(claims["nbf"]) > now + 10) return undefined;
        return bound(claims["kubernetes.io"], claims["aud"]);
    }
}

function bound(claim: unknown, audience: unknown): TokenClaims | undefined {
    if (!isRecord(claim) || typeof claim["namespace"] !== "string") return undefined;
    const serviceAccount = reference(claim["serviceaccount"]);
    if (serviceAccount === undefined) return undefined;
    const audiences = Array.isArray(audience) ? audience.map(String) : [];
    return { namespace: claim["namespace"], serviceAccount, pod: reference(claim["pod"]), audiences };
}

function reference(value: unknown): { readonly name: string; readonly uid: string } | undefined {
    if (!isRecord(value) || typeof value["name"] !== "string" || typeof value["uid"] !== "string") return undefined;
    return { name: value["name"], uid: value["uid"] };
}

function parse(part: string): Record<string, unknown> | undefined {
    try {
        const value: unknown = JSON.parse(Buffer.from(part, "base64url").toString());
        return isRecord(value) ? value : undefined;
    } catch {
        return undefined;
    }
}
