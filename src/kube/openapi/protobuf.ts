// SPDX-License-Identifier: Apache-2.0

/** Writes protocol buffer messages (wire types varint, 64 bit and length-delimited). */
export class ProtoWriter {
    readonly #parts: Buffer[] = [];

    text(field: number, value: unknown): this {
        if (typeof value === "string" && value !== "") this.bytes(field, Buffer.from(value));
        return this;
    }

    texts(field: number, values: unknown): this {
        if (Array.isArray(values)) for (const value of values) this.bytes(field, Buffer.from(String(value)));
        return this;
    }

    flag(field: number, value: unknown): this {
        if (value === true) this.#parts.push(varint(field << 3), varint(1));
        return this;
    }

    integer(field: number, value: unknown): this {
        if (typeof value === "number" && Number.isInteger(value) && value > 0)
            this.#parts.push(varint(field << 3), varint(value));
        return this;
    }

    double(field: number, value: unknown): this {
        if (typeof value !== "number" || value === 0) return this;
        const buffer = Buffer.alloc(8);
        buffer.writeDoubleLE(value);
        this.#parts.push(varint((field << 3) | 1), buffer);
        return this;
    }

    message(field: number, write: (inner: ProtoWriter) => void): this {
        const inner = new ProtoWriter();
        write(inner);
        return this.bytes(field, inner.finish());
    }

    bytes(field: number, value: Buffer): this {
        this.#parts.push(varint((field << 3) | 2), varint(value.length), value);
        return this;
    }

    finish(): Buffer {
        return Buffer.concat(this.#parts);
    }
}

function varint(value: number): Buffer {
    const bytes: number[] = [];
    let left = value;
    while (left > 127) {
        bytes.push((left % 128) | 128);
        left = Math.floor(left / 128);
    }
    bytes.push(left);
    return Buffer.from(bytes);
}
