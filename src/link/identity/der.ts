// SPDX-License-Identifier: Apache-2.0

/** Tags of the ASN.1 types that certificates are made of (X.690). */
export const Tag = {
    boolean: 0x01,
    integer: 0x02,
    bitString: 0x03,
    octetString: 0x04,
    null: 0x05,
    oid: 0x06,
    utf8String: 0x0c,
    printableString: 0x13,
    utcTime: 0x17,
    generalizedTime: 0x18,
    sequence: 0x30,
    set: 0x31,
} as const;

/** Thrown by the reader on anything that is not strict DER; callers say what was being read. */
export class DerError extends Error {}

/** One element: its tag, its bytes with and without header, and what is inside a constructed one. */
export class Der {
    readonly tag: number;
    readonly raw: Buffer;
    readonly content: Buffer;

    constructor(tag: number, raw: Buffer, content: Buffer) {
        this.tag = tag;
        this.raw = raw;
        this.content = content;
    }

    /** Reads exactly one element. */
    static parse(bytes: Buffer): Der {
        const [element, ...rest] = elements(bytes);
        if (element === undefined || rest.length > 0) throw new DerError("not one DER element");
        return element;
    }

    /** The elements inside. */
    get children(): Der[] {
        return elements(this.content);
    }

    expect(tag: number): this {
        if (this.tag !== tag) throw new DerError(`tag ${this.tag} where ${tag} belongs`);
        return this;
    }

    /** Dotted form of an object identifier. */
    get oid(): string {
        this.expect(Tag.oid);
        const arcs: number[] = [];
        let arc = 0;
        for (const byte of this.content) {
            arc = arc * 128 + (byte & 0x7f);
            if (byte & 0x80) continue;
            if (arcs.length === 0)
                arcs.push(Math.min(2, Math.floor(arc / 40)), arc - 40 * Math.min(2, Math.floor(arc / 40)));
            else arcs.push(arc);
            arc = 0;
        }
        return arcs.join(".");
    }

    /** The bytes of a bit string without unused bits. */
    get bits(): Buffer {
        this.expect(Tag.bitString);
        if (this.content[0] !== 0) throw new DerError("bit string with unused bits");
        return this.content.subarray(1);
    }
}

function elements(bytes: Buffer): Der[] {
    const found: Der[] = [];
    let at = 0;
    while (at < bytes.length) {
        const tag = bytes[at] ?? 0;
        if ((tag & 0x1f) === 0x1f) throw new DerError("long tag");
        let length = bytes[at + 1];
        let header = 2;
        if (length === undefined) throw new DerError("cut short");
        if (length >= 0x80) {
            const size = length & 0x7f;
            if (size === 0 || size > 3 || at + 2 + size > bytes.length) throw new DerError("bad length");
            length = bytes.readUIntBE(at + 2, size);
            header += size;
        }
        const end = at + header + length;
        if (end > bytes.length) throw new DerError("cut short");
        found.push(new Der(tag, bytes.subarray(at, end), bytes.subarray(at + header, end)));
        at = end;
    }
    return found;
}

/** Writes one element. */
export function der(tag: number, ...content: readonly Uint8Array[]): Buffer {
    const body = Buffer.concat(content);
    if (body.length < 0x80) return Buffer.concat([Buffer.from([tag, body.length]), body]);
    let digits = body.length.toString(16);
    if (digits.length % 2 === 1) digits = `0${digits}`;
    const length = Buffer.from(digits, "hex");
    return Buffer.concat([Buffer.from([tag, 0x80 | length.length]), length, body]);
}

export function sequence(...items: readonly Uint8Array[]): Buffer {
    return der(Tag.sequence, ...items);
}

/** `[number]` around what is inside. */
export function explicit(number: number, ...items: readonly Uint8Array[]): Buffer {
    return der(0xa0 | number, ...items);
}

export function oid(dotted: string): Buffer {
    const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
    const bytes = [first * 40 + second, ...rest].flatMap((arc) => {
        const groups = [arc & 0x7f];
        for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128))
            groups.unshift((left & 0x7f) | 0x80);
        return groups;
    });
    return der(Tag.oid, Buffer.from(bytes));
}

/** A number of any size that is not negative, from its big-endian bytes. */
export function integer(bytes: Uint8Array): Buffer {
    let start = 0;
    while (start < bytes.length - 1 && bytes[start] === 0) start += 1;
    const digits = bytes.subarray(start);
    return der(Tag.integer, Buffer.from((digits[0] ?? 0) & 0x80 ? [0] : []), digits);
}

export function bitString(bytes: Uint8Array, unusedBits = 0): Buffer {
    return der(Tag.bitString, Buffer.from([unusedBits]), bytes);
}

export function octetString(bytes: Uint8Array): Buffer {
    return der(Tag.octetString, bytes);
}

export function text(value: string): Buffer {
    const printable = /^[A-Za-z0-9 '()+,\-./:=?]*$/.test(value);
    return der(printable ? Tag.printableString : Tag.utf8String, Buffer.from(value, "utf8"));
}

/** UTCTime up to 2049, GeneralizedTime from then on (RFC 5280, 4.1.2.5). Whole seconds. */
export function time(atMs: number): Buffer {
    const digits = new Date(atMs).toISOString().replace(/\.\d+/, "").replaceAll(/[-:T]/g, "");
    const isShort = Number(digits.slice(0, 4)) < 2050;
    return der(isShort ? Tag.utcTime : Tag.generalizedTime, Buffer.from(isShort ? digits.slice(2) : digits, "latin1"));
}
