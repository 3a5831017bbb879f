// SPDX-License-Identifier: Apache-2.0
import { readFields, type WireField } from "../../../../kube/protobuf/wire.ts";
import { SCHEMA } from "./schema.ts";

export type Message = Readonly<Record<string, unknown>>;

const LENGTH_DELIMITED = 2;

/** Protocol Buffers encoding of a message by its schema. Absent fields and proto3 defaults are left out. */
export function encode(type: string, message: Message): Buffer {
    const parts: Buffer[] = [];
    for (const [name, [number, kind]] of Object.entries(SCHEMA[type] ?? {})) {
        const value = message[name];
        if (value === undefined || value === null) continue;
        if (kind === "map") {
            for (const [key, item] of Object.entries(value as Record<string, string>)) {
                const entry = Buffer.concat([field(1, "string", key), field(2, "string", item)]);
                parts.push(delimited(number, entry));
            }
        } else if (kind.startsWith("[]")) {
            for (const item of value as readonly unknown[]) parts.push(field(number, kind.slice(2), item, true));
        } else parts.push(field(number, kind, value));
    }
    return Buffer.concat(parts);
}

/** The message with every field of its schema present: proto3 defaults where nothing came, undefined for messages. */
export function decode(type: string, bytes: Buffer): Message {
    const schema = SCHEMA[type] ?? {};
    const message: Record<string, unknown> = {};
    const byNumber = new Map<number, readonly [name: string, kind: string]>();
    for (const [name, [number, kind]] of Object.entries(schema)) {
        byNumber.set(number, [name, kind]);
        message[name] = emptyOf(kind);
    }
    for (const wire of readFields(bytes)) {
        const [name, kind] = byNumber.get(wire.number) ?? [];
        if (name === undefined || kind === undefined) continue;
        if (kind === "map") {
            const entry = decodeEntry(bytesOf(wire));
            (message[name] as Record<string, string>)[entry[0]] = entry[1];
        } else if (kind.startsWith("[]")) (message[name] as unknown[]).push(read(kind.slice(2), wire));
        else message[name] = read(kind, wire);
    }
    return message;
}

function emptyOf(kind: string): unknown {
    if (kind === "map") return {};
    if (kind.startsWith("[]")) return [];
    if (kind.startsWith("@")) return undefined;
    return kind === "string" ? "" : kind === "bool" ? false : kind === "int" ? 0 : Buffer.alloc(0);
}

function field(number: number, kind: string, value: unknown, keepDefault = false): Buffer {
    if (kind.startsWith("@")) return delimited(number, encode(kind.slice(1), value as Message));
    if (kind === "string" || kind === "bytes") {
        const bytes = kind === "bytes" ? (value as Buffer) : Buffer.from(String(value), "utf8");
        return bytes.length === 0 && !keepDefault ? Buffer.alloc(0) : delimited(number, bytes);
    }
    const whole = kind === "bool" ? (value === true ? 1n : 0n) : BigInt(Math.trunc(Number(value)));
    if (whole === 0n && !keepDefault) return Buffer.alloc(0);
    return Buffer.concat([varint(BigInt(number << 3)), varint(BigInt.asUintN(64, whole))]);
}

function delimited(number: number, bytes: Buffer): Buffer {
    return Buffer.concat([varint(BigInt((number << 3) | LENGTH_DELIMITED)), varint(BigInt(bytes.length)), bytes]);
}

function varint(value: bigint): Buffer {
    const bytes: number[] = [];
    let rest = value;
    while (rest > 0x7fn) {
        bytes.push(Number(rest & 0x7fn) | 0x80);
        rest >>= 7n;
    }
    bytes.push(Number(rest));
    return Buffer.from(bytes);
}

function read(kind: string, wire: WireField): unknown {
    if (kind.startsWith("@")) return decode(kind.slice(1), bytesOf(wire));
    if (kind === "string") return bytesOf(wire).toString("utf8");
    if (kind === "bytes") return bytesOf(wire);
    const value = wholeOf(wire);
    return kind === "bool" ? value !== 0n : Number(BigInt.asIntN(64, value));
}

function decodeEntry(bytes: Buffer): readonly [string, string] {
    const text = ["", ""];
    for (const wire of readFields(bytes)) text[wire.number - 1] = bytesOf(wire).toString("utf8");
    return [text[0] ?? "", text[1] ?? ""];
}

function bytesOf(wire: WireField): Buffer {
    return "bytes" in wire ? wire.bytes : Buffer.alloc(0);
}

function wholeOf(wire: WireField): bigint {
    return "varint" in wire ? wire.varint : 0n;
}
