// SPDX-License-Identifier: Apache-2.0
import { RedgeError } from "../../../core/errors/redge-error.ts";

/** google.protobuf.Any. */
export interface Any {
    readonly type_url: string;
    readonly value: Buffer;
}

const PREFIX = "type.googleapis.com/google.protobuf.";
/** Beyond this a 32-bit float, which stock KubeEdge sends for every number, loses whole numbers. */
const FLOAT_EXACT = 2 ** 24;

/**
 * One configData entry as stock mappers read it (device plane reference 5.6): text, booleans and 32-bit floats; large whole
 * numbers as Int64Value, which they read as well. Lists and objects, which KubeEdge refuses, go as JSON text.
 */
export function toAny(value: unknown): Any {
    if (typeof value === "string") return wrap("StringValue", bytesField(Buffer.from(value)));
    if (typeof value === "boolean") return wrap("BoolValue", value ? Buffer.from([0x08, 1]) : Buffer.alloc(0));
    if (typeof value === "number" && Number.isSafeInteger(value) && Math.abs(value) > FLOAT_EXACT) {
        return wrap("Int64Value", Buffer.concat([Buffer.from([0x08]), varint(BigInt.asUintN(64, BigInt(value)))]));
    }
    if (typeof value === "number") {
        const bytes = Buffer.alloc(5);
        bytes[0] = 0x0d;
        bytes.writeFloatLE(value, 1);
        return wrap("FloatValue", bytes);
    }
    return wrap("StringValue", bytesField(Buffer.from(JSON.stringify(value) ?? "")));
}

/** `configData` as CustomizedValue; null entries are left out. */
export function toCustomizedValue(data: Readonly<Record<string, unknown>>): { data: Record<string, Any> } {
    const entries = Object.entries(data).filter(([, value]) => value !== null && value !== undefined);
    return { data: Object.fromEntries(entries.map(([key, value]) => [key, toAny(value)])) };
}

/** The value in an Any, as far as DMI uses it. @throws REDGE_DEVICE_MESSAGE for another type */
export function fromAny({ type_url, value }: Any): string | boolean | number | bigint {
    const type = type_url.slice(PREFIX.length);
    const body = value.subarray(1);
    if (type === "StringValue") return value.length === 0 ? "" : body.subarray(varintLength(body)).toString("utf8");
    if (type === "BoolValue") return value.length > 0 && body[0] === 1;
    if (type === "FloatValue") return value.length === 0 ? 0 : body.readFloatLE();
    if (type === "Int64Value" || type === "Int32Value")
        return value.length === 0 ? 0 : Number(BigInt.asIntN(64, readVarint(body)));
    throw new RedgeError("REDGE_DEVICE_MESSAGE", {
        component: "DMI",
        field: "configData",
        reason: `holds a ${type_url}`,
    });
}

function wrap(name: string, value: Buffer): Any {
    return { type_url: PREFIX + name, value };
}

function bytesField(bytes: Buffer): Buffer {
    return bytes.length === 0 ? bytes : Buffer.concat([Buffer.from([0x0a]), varint(BigInt(bytes.length)), bytes]);
}

function varint(value: bigint): Buffer {
    const bytes: number[] = [];
    let rest = value;
    for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
    return Buffer.from([...bytes, Number(rest)]);
}

function varintLength(bytes: Buffer): number {
    return bytes.findIndex((byte) => byte < 0x80) + 1;
}

function readVarint(bytes: Buffer): bigint {
    return [...bytes.subarray(0, varintLength(bytes))].reduceRight(
        (sum, byte) => (sum << 7n) | BigInt(byte & 0x7f),
        0n,
    );
}
