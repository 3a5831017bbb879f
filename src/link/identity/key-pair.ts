// SPDX-License-Identifier: Apache-2.0
import { createPrivateKey, generateKeyPairSync, type KeyObject, X509Certificate } from "node:crypto";
import { errorText, RedgeError } from "../../core/errors/redge-error.ts";
import { toPem } from "./x509.ts";

/** A certificate and its private key. */
export interface KeyPair {
    readonly certificate: X509Certificate;
    readonly key: KeyObject;
}

export interface NewKey {
    readonly key: KeyObject;
    /** SubjectPublicKeyInfo of the public half. */
    readonly spkiDer: Buffer;
}

/** A P-256 key, the kind KubeEdge makes everywhere. */
export function newKey(): NewKey {
    const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    return { key: privateKey, spkiDer: publicKey.export({ type: "spki", format: "der" }) };
}

/** The form in which KubeEdge keeps keys: SEC 1 for EC, PKCS#1 for RSA. */
export function keyDer(key: KeyObject): Buffer {
    const type = key.asymmetricKeyType === "rsa" ? "pkcs1" : "sec1";
    return key.export({ type, format: "der" });
}

export function keyPem(key: KeyObject): string {
    if (key.asymmetricKeyType === "rsa") return String(key.export({ type: "pkcs1", format: "pem" }));
    return toPem("EC PRIVATE KEY", keyDer(key));
}

/** Reads PEM, or DER as PKCS#8, SEC 1 or PKCS#1. */
export function readKey(bytes: Buffer): KeyObject {
    if (isPem(bytes)) return createPrivateKey(bytes);
    let failure: unknown;
    for (const type of ["sec1", "pkcs8", "pkcs1"] as const) {
        try {
            return createPrivateKey({ key: bytes, format: "der", type });
        } catch (error) {
            failure = error;
        }
    }
    throw failure;
}

/**
 * A pair as it was kept.
 * @param what and `where` name it for people
 * @throws REDGE_IDENTITY_MATERIAL when it cannot be read or the two do not belong together
 */
export function readPair(certificate: Buffer, key: Buffer, what: string, where: string): KeyPair {
    let pair: KeyPair;
    try {
        pair = { certificate: new X509Certificate(certificate), key: readKey(key) };
    } catch (error) {
        throw new RedgeError("REDGE_IDENTITY_MATERIAL", { what, where, reason: errorText(error) }, error);
    }
    if (pair.certificate.checkPrivateKey(pair.key)) return pair;
    throw new RedgeError("REDGE_IDENTITY_MATERIAL", { what, where, reason: "the key is not the certificate's" });
}

function isPem(bytes: Buffer): boolean {
    return bytes.subarray(0, 64).toString("latin1").includes("-----BEGIN");
}
