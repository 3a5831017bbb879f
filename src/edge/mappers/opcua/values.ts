// SPDX-License-Identifier: Apache-2.0
import { RedgeError } from "../../../core/errors/redge-error.ts";
import { field, isRecord } from "../fields.ts";
import { type DeviceValue, parseValue, roundFloat32 } from "../values.ts";

/** The numbers of OPC UA's built-in types (part 6, 5.1.2). */
export const BuiltIn = {
    Boolean: 1,
    SByte: 2,
    Byte: 3,
    Int16: 4,
    UInt16: 5,
    Int32: 6,
    UInt32: 7,
    Int64: 8,
    UInt64: 9,
    Float: 10,
    Double: 11,
    String: 12,
    DateTime: 13,
    Guid: 14,
    ByteString: 15,
    XmlElement: 16,
    LocalizedText: 21,
} as const;

/** A value with its built-in type, as the library holds it: 64-bit integers are pairs of their high and low halves. */
export interface OpcuaVariant {
    readonly dataType: number;
    readonly value: unknown;
}

const LIMITS: ReadonlyMap<number, readonly [bigint, bigint]> = new Map([
    [BuiltIn.SByte, [-(2n ** 7n), 2n ** 7n - 1n]],
    [BuiltIn.Byte, [0n, 2n ** 8n - 1n]],
    [BuiltIn.Int16, [-(2n ** 15n), 2n ** 15n - 1n]],
    [BuiltIn.UInt16, [0n, 2n ** 16n - 1n]],
    [BuiltIn.Int32, [-(2n ** 31n), 2n ** 31n - 1n]],
    [BuiltIn.UInt32, [0n, 2n ** 32n - 1n]],
    [BuiltIn.Int64, [-(2n ** 63n), 2n ** 63n - 1n]],
    [BuiltIn.UInt64, [0n, 2n ** 64n - 1n]],
]);

/** The value of a variable; arrays and structures as their JSON. Undefined: it has none. */
export function fromVariant({ dataType, value }: OpcuaVariant): DeviceValue | undefined {
    if (value === null || value === undefined) return undefined;
    const wide = dataType === BuiltIn.Int64 || dataType === BuiltIn.UInt64;
    if (wide && isPair(value)) return narrowed(fromPair(value, dataType === BuiltIn.Int64));
    if (Buffer.isBuffer(value)) return value.toString("base64");
    if (Array.isArray(value) || ArrayBuffer.isView(value)) {
        const elements = Array.from(
            value as ArrayLike<unknown>,
            (one) => fromVariant({ dataType, value: one }) ?? null,
        );
        return `[${elements.map((one) => (typeof one === "bigint" ? String(one) : JSON.stringify(one))).join(",")}]`;
    }
    return scalar(dataType, value);
}

/**
 * A desired value as the variable's own built-in type, so that the server takes it.
 * @throws REDGE_DEVICE_VALUE when it does not fit that type
 */
export function toVariant(dataType: number, value: DeviceValue, property: string): OpcuaVariant {
    const refuse = (reason: string): never => {
        throw new RedgeError("REDGE_DEVICE_VALUE", { property, value: String(value).slice(0, 80), reason });
    };
    const limits = LIMITS.get(dataType);
    if (limits !== undefined) return { dataType, value: integer(dataType, limits, value, refuse) };
    switch (dataType) {
        case BuiltIn.Boolean:
            return { dataType, value: parseValue("BOOLEAN", String(value), property) };
        case BuiltIn.Float:
        case BuiltIn.Double: {
            const number = Number(parseValue("DOUBLE", String(value), property));
            if (dataType === BuiltIn.Float && !Number.isFinite(Math.fround(number))) refuse("does not fit a Float");
            return { dataType, value: number };
        }
        case BuiltIn.String:
        case BuiltIn.XmlElement:
        case BuiltIn.Guid:
            return { dataType, value: String(value) };
        case BuiltIn.LocalizedText:
            return { dataType, value: { text: String(value) } };
        case BuiltIn.ByteString:
            return { dataType, value: Buffer.from(String(value), "base64") };
        case BuiltIn.DateTime: {
            const time = new Date(typeof value === "number" ? value : String(value));
            return Number.isNaN(time.getTime()) ? refuse("is no time") : { dataType, value: time };
        }
        default:
            return refuse(`cannot be written to a variable of the built-in type ${dataType}`);
    }
}

/**
 * The same for a variable that holds a list: JSON of one, as reading gives it, or the list itself.
 * @throws REDGE_DEVICE_VALUE when it is no list, or an element does not fit
 */
export function toArrayVariant(dataType: number, value: DeviceValue, property: string): OpcuaVariant {
    const elements = elementsOf(dataType, value);
    if (elements === undefined) {
        const reason = "is no list in JSON, and the variable holds one";
        throw new RedgeError("REDGE_DEVICE_VALUE", { property, value: String(value).slice(0, 80), reason });
    }
    const values = elements.map((element, at) => {
        const one = typeof element === "object" ? JSON.stringify(element) : (element as DeviceValue);
        return toVariant(dataType, one, `${property}[${at}]`).value;
    });
    return { dataType, value: values };
}

function elementsOf(dataType: number, value: DeviceValue): readonly unknown[] | undefined {
    if (Array.isArray(value)) return value;
    if (typeof value !== "string") return undefined;
    const wide = dataType === BuiltIn.Int64 || dataType === BuiltIn.UInt64;
    // Whole numbers of 64 bits would not survive as JSON's: they are read as text.
    const text = wide ? value.replace(/(?<=[[,]\s*)[+-]?\d+(?=\s*[\],])/g, '"$&"') : value;
    try {
        const parsed: unknown = JSON.parse(text);
        return Array.isArray(parsed) ? parsed : undefined;
    } catch {
        return undefined;
    }
}

function integer(
    dataType: number,
    [lowest, highest]: readonly [bigint, bigint],
    value: DeviceValue,
    refuse: (reason: string) => never,
): unknown {
    const text = typeof value === "boolean" ? String(Number(value)) : String(value).trim();
    const whole = /^[+-]?\d+$/.test(text) ? BigInt(text) : refuse("is not an integer");
    if (whole < lowest || whole > highest) refuse(`does not fit the variable: ${lowest} to ${highest}`);
    if (dataType !== BuiltIn.Int64 && dataType !== BuiltIn.UInt64) return Number(whole);
    const bits = BigInt.asUintN(64, whole);
    return [Number(bits >> 32n), Number(bits & 0xffff_ffffn)];
}

function scalar(dataType: number, value: unknown): DeviceValue {
    if (typeof value === "number") return dataType === BuiltIn.Float ? roundFloat32(value) : value;
    if (typeof value === "string" || typeof value === "boolean" || typeof value === "bigint") return value;
    if (value instanceof Date) return value.toISOString();
    if (dataType === BuiltIn.LocalizedText) return String(field(value, "text") ?? "");
    // Node ids, qualified names and status codes say themselves what they are; structures are objects.
    return isRecord(value) && value.toString !== Object.prototype.toString ? String(value) : JSON.stringify(value);
}

function isPair(value: unknown): value is readonly [number, number] {
    return Array.isArray(value) && value.length === 2 && value.every((half) => typeof half === "number");
}

function fromPair([high, low]: readonly [number, number], signed: boolean): bigint {
    const bits = (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
    return signed ? BigInt.asIntN(64, bits) : bits;
}

function narrowed(value: bigint): number | bigint {
    const small = Number(value);
    return Number.isSafeInteger(small) ? small : value;
}
