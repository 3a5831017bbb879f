// SPDX-License-Identifier: Apache-2.0
import { createHmac, timingSafeEqual } from "node:crypto";
import type { Address } from "./library.ts";

const MAC_BYTES = 32;
const VALID_MS = 20_000;

/**
 * Retry tokens (RFC 9000, section 8.1.2): whoever opens a connection proves first that it receives at the address it
 * sends from, before this end keeps anything of it. Bound to address, connection id and time.
 */
export class RetryTokens {
    readonly #key: Buffer;

    constructor(key: Buffer) {
        this.#key = key;
    }

    /** @param original the id the client chose; @param next the id it shall use from now on */
    make(original: Uint8Array, next: Uint8Array, from: Address, nowMs: number): Buffer {
        const time = Buffer.alloc(8);
        time.writeBigUInt64BE(BigInt(Math.max(0, Math.floor(nowMs))));
        return Buffer.concat([this.#mac(time, original, next, from), time, original]);
    }

    /** The id the client chose first; undefined when the token is not good. */
    original(token: Uint8Array, next: Uint8Array, from: Address, nowMs: number): Buffer | undefined {
        if (token.length < MAC_BYTES + 8 || token.length > MAC_BYTES + 8 + 20) return undefined;
        const bytes = Buffer.from(token);
        const time = bytes.subarray(MAC_BYTES, MAC_BYTES + 8);
        const original = bytes.subarray(MAC_BYTES + 8);
        const mac = this.#mac(time, original, next, from);
        if (!timingSafeEqual(mac, bytes.subarray(0, MAC_BYTES))) return undefined;
        const ageMs = nowMs - Number(time.readBigUInt64BE());
        return ageMs <= VALID_MS && ageMs >= -VALID_MS ? original : undefined;
    }

    #mac(time: Buffer, original: Uint8Array, next: Uint8Array, { host, port }: Address): Buffer {
        return createHmac("sha256", this.#key)
            .update(Buffer.from([original.length, next.length]))
            .update(time)
            .update(original)
            .update(next)
            .update(`${host} ${port}`)
            .digest();
    }
}
