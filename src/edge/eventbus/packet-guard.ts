// SPDX-License-Identifier: Apache-2.0

/** A length takes four bytes at most (MQTT 3.1.1, 2.2.3). */
const LENGTH_BYTES = 4;

/**
 * Reads along with what a client sends, to end the connection when a packet begins that is longer than allowed: the parser would gather all of
 * it in memory first, up to 256 MiB.
 */
export class PacketGuard {
    readonly #limit: number;
    /** Bytes of the packet that are still to come. */
    #left = 0;
    #length = 0;
    /** Bytes of the length read so far; undefined before a packet's first byte. */
    #lengthBytes: number | undefined;

    constructor(limit: number) {
        this.#limit = limit;
    }

    /** False when a packet begins that is too long, or whose length is none. */
    admits(chunk: Buffer): boolean {
        for (let at = 0; at < chunk.length; ) {
            if (this.#left > 0) {
                const skipped = Math.min(this.#left, chunk.length - at);
                this.#left -= skipped;
                at += skipped;
            } else if (this.#lengthBytes === undefined) {
                this.#lengthBytes = 0;
                this.#length = 0;
                at += 1;
            } else {
                const byte = chunk[at] ?? 0;
                this.#length += (byte & 0x7f) * 128 ** this.#lengthBytes;
                this.#lengthBytes += 1;
                at += 1;
                if (byte < 0x80) {
                    if (this.#length > this.#limit) return false;
                    this.#left = this.#length;
                    this.#lengthBytes = undefined;
                } else if (this.#lengthBytes === LENGTH_BYTES) return false;
            }
        }
        return true;
    }
}
