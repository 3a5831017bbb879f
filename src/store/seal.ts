// SPDX-License-Identifier: Apache-2.0
import { createCipheriv, createDecipheriv, createHash, randomBytes } from "node:crypto";

const CIPHER = "aes-256-gcm";
export const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const VERSION = "1";
const FIELD = "$sealed";

/** What lies in the file in a secret value's place: `{"$sealed": "1.<key id>.<nonce, ciphertext, tag>"}`. */
export interface Sealed {
    readonly [FIELD]: string;
}

export interface SealKey {
    /** Tells which key a record needs, and nothing about the key. */
    readonly id: string;
    readonly bytes: Buffer;
}

export function sealKey(bytes: Buffer): SealKey {
    const id = createHash("sha256").update("redge store key\0").update(bytes).digest("hex").slice(0, 16);
    return { id, bytes };
}

export function isSealed(value: unknown): value is Sealed {
    if (typeof value !== "object" || value === null || Object.keys(value).length !== 1) return false;
    return FIELD in value && typeof value[FIELD] === "string";
}

/** The id of the key that it was sealed with. */
export function keyIdOf(sealed: Sealed): string {
    return sealed[FIELD].split(".")[1] ?? "";
}

/** AES-256-GCM, bound to the record's name: a record moved to another name does not open. */
export function seal(key: SealKey, name: string, text: string): Sealed {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv(CIPHER, key.bytes, nonce).setAAD(Buffer.from(name));
    const body = Buffer.concat([nonce, cipher.update(text, "utf8"), cipher.final(), cipher.getAuthTag()]);
    return { [FIELD]: `${VERSION}.${key.id}.${body.toString("base64")}` };
}

/** Undefined when none of the keys opens it, or when it was changed. */
export function unseal(keys: ReadonlyMap<string, SealKey>, name: string, sealed: Sealed): string | undefined {
    const [version, id = "", encoded = ""] = sealed[FIELD].split(".");
    const key = keys.get(id);
    const body = Buffer.from(encoded, "base64");
    if (version !== VERSION || key === undefined || body.length < NONCE_BYTES + TAG_BYTES) return undefined;
    const end = body.length - TAG_BYTES;
    const decipher = createDecipheriv(CIPHER, key.bytes, body.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES })
        .setAAD(Buffer.from(name))
        .setAuthTag(body.subarray(end));
    try {
        return Buffer.concat([decipher.update(body.subarray(NONCE_BYTES, end)), decipher.final()]).toString("utf8");
    } catch {
        return undefined; // The tag does not fit: an answer, not a failure.
    }
}
