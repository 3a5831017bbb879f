// SPDX-License-Identifier: Apache-2.0
import { isUtf8 } from "node:buffer";
import { RedgeError } from "../../../core/errors/redge-error.ts";
import { type Fields, fieldsOfMessage } from "./proto.ts";

const VARINT = 0;
const FIXED64 = 1;
const DELIMITED = 2;
const FIXED32 = 5;
const MAX_VARINT_BYTES = 10;
const SCALARS = new Set(["bool", "int32", "int64"]);

/**
 * Checks that bytes are a message of that name before they are decoded: each known field of its own wire type, texts in UTF-8, nothing
 * cut short. The decoder itself would read a field of another type as if it were the right one, and pass on mended text.
 * @throws REDGE_DEVICE_MESSAGE with the path of the field
 */
export function checkEncoding(message: string, bytes: Uint8Array): void {
    check(fieldsOfMessage(message), bytes, "");
}

function check(fields: Fields, bytes: Uint8Array, at: string): void {
    const reader = new Reader(bytes, at);
    while (!reader.done) {
        const tag = reader.varint();
        const wireType = Number(tag & 7n);
        const found = Object.entries(fields).find(([, [number]]) => BigInt(number) === tag >> 3n);
        if (found === undefined) {
            reader.skip(wireType);
            continue;
        }
        const [name, [, declared]] = found;
        const path = at === "" ? name : `${at}.${name}`;
        const [first = "", inner] = declared.split(" ");
        const kind = inner === undefined ? first : first === "map" ? `map ${inner}` : inner;
        if (wireType !== (SCALARS.has(kind) ? VARINT : DELIMITED)) throw refuse(path, `is no ${kind}`);
        const body = reader.skip(wireType);
        if (kind === "string" && !isUtf8(body)) throw refuse(path, "is not UTF-8");
        if (kind !== "string" && kind !== "bytes" && wireType === DELIMITED) check(fieldsOf(kind), body, path);
    }
}

function fieldsOf(kind: string): Fields {
    const [first, value] = kind.split(" ");
    return first === "map" ? { key: [1, "string"], value: [2, value ?? "string"] } : fieldsOfMessage(kind);
}

class Reader {
    readonly #bytes: Uint8Array;
    readonly #at: string;
    #offset = 0;

    constructor(bytes: Uint8Array, at: string) {
        this.#bytes = bytes;
        this.#at = at;
    }

    get done(): boolean {
        return this.#offset >= this.#bytes.length;
    }

    varint(): bigint {
        let value = 0n;
        for (let read = 0; read < MAX_VARINT_BYTES; read += 1) {
            const byte = this.#bytes[this.#offset];
            if (byte === undefined) break;
            this.#offset += 1;
            value |= BigInt(byte & 0x7f) << BigInt(7 * read);
            if (byte < 0x80) return value;
        }
        throw this.#broken("is cut short or no message");
    }

    /** Passes over a field of that type. @returns its bytes when it has a length, else none */
    skip(wireType: number): Uint8Array {
        if (wireType === VARINT) {
            this.varint();
            return new Uint8Array();
        }
        if (wireType !== DELIMITED && wireType !== FIXED64 && wireType !== FIXED32)
            throw this.#broken(`holds a field of the unknown type ${wireType}`);
        const length = wireType === DELIMITED ? this.varint() : wireType === FIXED64 ? 8n : 4n;
        if (length > BigInt(this.#bytes.length - this.#offset)) throw this.#broken("is cut short or no message");
        const start = this.#offset;
        this.#offset += Number(length);
        return this.#bytes.subarray(start, this.#offset);
    }

    #broken(reason: string): RedgeError {
        return refuse(this.#at === "" ? "the request" : this.#at, reason);
    }
}

function refuse(field: string, reason: string): RedgeError {
    return new RedgeError("REDGE_DEVICE_MESSAGE", { component: "DMI", field, reason });
}
