// SPDX-License-Identifier: Apache-2.0

/** One field as it stands in a protobuf message: a varint, or bytes whose meaning the schema gives. */
export type WireField =
    | { readonly number: number; readonly varint: bigint }
    | { readonly number: number; readonly bytes: Buffer };

/**
 * Splits a protobuf message into its fields (protobuf.dev, "Encoding"); fixed-width values come as their bytes.
 * @throws Error when the bytes are no message
 */
export function readFields(message: Buffer): WireField[] {
    const fields: WireField[] = [];
    let at = 0;
    const varint = (): bigint => {
        let value = 0n;
        for (let shift = 0n; shift < 70n; shift += 7n) {
            const byte = message[at];
            if (byte === undefined) throw new Error("a number is cut off");
            at += 1;
            value |= BigInt(byte & 127) << shift;
            if (byte < 128) return value;
        }
        throw new Error("a number is too long");
    };
    const take = (length: number): Buffer => {
        if (length > message.length - at) throw new Error("a field is cut off");
        at += length;
        return message.subarray(at - length, at);
    };
    while (at < message.length) {
        const tag = Number(varint());
        const number = Math.floor(tag / 8);
        const wire = tag % 8;
        if (number === 0) throw new Error("a field has the number 0");
        if (wire === 0) fields.push({ number, varint: varint() });
        else if (wire === 1) fields.push({ number, bytes: take(8) });
        else if (wire === 2) fields.push({ number, bytes: take(Number(varint())) });
        else if (wire === 5) fields.push({ number, bytes: take(4) });
        else throw new Error(`wire type ${wire} is not known`);
    }
    return fields;
}

/** Integers are sent in two's complement of 64 bits. */
export function toNumber(varint: bigint): number {
    return Number(BigInt.asIntN(64, varint));
}
