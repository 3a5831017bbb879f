// SPDX-License-Identifier: Apache-2.0

/**
 * Keys as bytes whose order is that of UTF-16 code units (the store's order): UTF-8, but each half of a surrogate pair
 * on its own (CESU-8), since plain UTF-8 puts U+10000 and up behind U+E000 to U+FFFF.
 */
export function encodeKey(key: string): Buffer {
    if (!/[\ud800-\udfff]/.test(key)) return Buffer.from(key, "utf8");
    const parts: Buffer[] = [];
    for (const [piece] of key.matchAll(/[\ud800-\udfff]|[^\ud800-\udfff]+/g)) {
        const unit = piece.charCodeAt(0);
        const isSurrogate = unit >= 0xd800 && unit <= 0xdfff;
        parts.push(
            isSurrogate
                ? Buffer.from([0xe0 | (unit >> 12), 0x80 | ((unit >> 6) & 0x3f), 0x80 | (unit & 0x3f)])
                : Buffer.from(piece, "utf8"),
        );
    }
    return Buffer.concat(parts);
}

export function decodeKey(bytes: Uint8Array): string {
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let text = "";
    let from = 0;
    for (let at = buffer.indexOf(0xed); at !== -1; at = buffer.indexOf(0xed, at + 1)) {
        const second = buffer[at + 1] ?? 0;
        if (second < 0xa0) continue; // U+D000 to U+D7FF: ordinary UTF-8.
        text += buffer.toString("utf8", from, at);
        text += String.fromCharCode(0xd000 | ((second & 0x3f) << 6) | ((buffer[at + 2] ?? 0) & 0x3f));
        from = at + 3;
    }
    return text + buffer.toString("utf8", from);
}

/** The first key behind every key that begins with `prefix`; undefined when there is none. */
export function behindPrefix(prefix: Uint8Array): Buffer | undefined {
    const end = Buffer.from(prefix);
    for (let at = end.length - 1; at >= 0; at -= 1) {
        const byte = end[at] ?? 0;
        if (byte === 0xff) continue;
        end[at] = byte + 1;
        return end.subarray(0, at + 1);
    }
    return undefined;
}
