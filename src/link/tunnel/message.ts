// SPDX-License-Identifier: Apache-2.0

/** Types of tunnel messages (wire protocol, section 7.2). Those from 64 on exist between Redge ends only. */
export const TunnelType = {
    logs: 0,
    exec: 1,
    metrics: 2,
    data: 3,
    /** The connection is over; either side sends it. */
    remove: 4,
    /** Cloud to edge, with connection id 0: the whole tunnel is over, the data says why. */
    close: 5,
    attach: 6,
    /** The receiver has room for that many more bytes of this connection (uvarint). */
    window: 64,
    /** Like exec, but the request itself comes as data: nothing of HTTP is lost on the way. */
    http: 65,
} as const;

export interface TunnelMessage {
    readonly connectId: number;
    readonly type: number;
    readonly data: Buffer;
}

/** Path that EdgeStream dials on port 10004. */
export const TUNNEL_PATH = "/v1/kubeedge/connect";
/** Request and response header by which two Redge ends know each other; the value is the window in bytes. */
export const TUNNEL_HEADER = "redge-tunnel";
/** What stock CloudCore keeps of one message; more is silently lost there. */
export const MAX_MESSAGE_BYTES = 1024 * 1024;

/** `uvarint id | uvarint type | data`, as one WebSocket message. */
export function encodeTunnelMessage({ connectId, type, data }: TunnelMessage): Buffer {
    return Buffer.concat([uvarint(connectId), uvarint(type), data]);
}

/** Undefined for what is no tunnel message. */
export function decodeTunnelMessage(bytes: Buffer): TunnelMessage | undefined {
    const id = readUvarint(bytes, 0);
    const type = id === undefined ? undefined : readUvarint(bytes, id.next);
    if (id === undefined || type === undefined) return undefined;
    return { connectId: id.value, type: type.value, data: bytes.subarray(type.next) };
}

/** Unsigned LEB128 (Go's encoding/binary). */
export function uvarint(value: number): Buffer {
    const bytes: number[] = [];
    let left = value;
    while (left >= 0x80) {
        bytes.push((left % 0x80) | 0x80);
        left = Math.floor(left / 0x80);
    }
    bytes.push(left);
    return Buffer.from(bytes);
}

export function readUvarint(
    bytes: Buffer,
    from: number,
): { readonly value: number; readonly next: number } | undefined {
    let value = 0;
    let factor = 1;
    for (let at = from; at < bytes.length; at += 1) {
        const byte = bytes[at] ?? 0;
        value += (byte & 0x7f) * factor;
        if (value > Number.MAX_SAFE_INTEGER) return undefined;
        if (byte < 0x80) return { value, next: at + 1 };
        factor *= 0x80;
    }
    return undefined;
}
