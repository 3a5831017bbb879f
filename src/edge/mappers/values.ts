// SPDX-License-Identifier: Apache-2.0
import { RedgeError } from "../../core/errors/redge-error.ts";
import { isBase64 } from "../../kube/devices/property-rules.ts";

/** DeviceModel's property types (devices.kubeedge.io/v1beta1); OBJECT, any JSON, is Redge's own. */
export const PROPERTY_TYPES = ["INT", "FLOAT", "DOUBLE", "STRING", "BOOLEAN", "BYTES", "STREAM", "OBJECT"] as const;
export type PropertyType = (typeof PROPERTY_TYPES)[number];

export type JsonValue = null | boolean | number | string | readonly JsonValue[] | { readonly [key: string]: JsonValue };

/** A value as mappers and flows hold it. BYTES are base64 text; integers beyond 2^53 are bigint; OBJECT is parsed JSON. */
export type DeviceValue = bigint | JsonValue;

/** What twins call the types (KubeEdge v1.23.1: string int float boolean; Redge adds double, bytes and object). */
export function twinTypeOf(type: PropertyType): string {
    return type === "STREAM" ? "string" : type.toLowerCase();
}

const INT = /^[+-]?\d+$/;
const TRUE = new Set(["true", "1", "t", "TRUE", "True", "T", "on", "ON"]);
const FALSE = new Set(["false", "0", "f", "FALSE", "False", "F", "off", "OFF"]);

/**
 * Reads the text of a desired value as the property's type.
 * @throws REDGE_DEVICE_VALUE when the text is no value of that type
 */
export function parseValue(type: PropertyType, value: string, property: string): DeviceValue {
    const refuse = (reason: string): never => {
        throw new RedgeError("REDGE_DEVICE_VALUE", { property, value: value.slice(0, 80), reason });
    };
    switch (type) {
        case "INT": {
            if (!INT.test(value.trim())) return refuse("is not an integer");
            const whole = BigInt(value.trim());
            if (whole < -(2n ** 63n) || whole >= 2n ** 64n) return refuse("does not fit 64 bits");
            const small = Number(whole);
            return Number.isSafeInteger(small) ? small : whole;
        }
        case "FLOAT":
        case "DOUBLE": {
            const number = value.trim() === "" ? Number.NaN : Number(value);
            return Number.isFinite(number) ? number : refuse("is not a number");
        }
        case "BOOLEAN": {
            if (TRUE.has(value)) return true;
            return FALSE.has(value) ? false : refuse("is neither true nor false");
        }
        case "OBJECT":
            try {
                return JSON.parse(value) as JsonValue;
            } catch {
                return refuse("is not JSON");
            }
        case "BYTES":
            return isBase64(value) ? value : refuse("is not base64");
        default:
            return value;
    }
}

/** The text of a value, as twins and the API carry it: numbers in plain decimal with the fewest digits. */
export function formatValue(value: unknown): string {
    if (typeof value === "string") return value;
    if (typeof value === "number") return plainDecimal(value);
    if (typeof value === "bigint" || typeof value === "boolean") return String(value);
    if (value instanceof Uint8Array) return Buffer.from(value).toString("base64");
    return JSON.stringify(value) ?? "";
}

/** A FLOAT's shortest decimal that still maps to the same 32-bit number: 0.1 instead of 0.10000000149011612. */
export function roundFloat32(value: number): number {
    if (!Number.isFinite(value) || value === 0) return value;
    const wanted = Math.fround(value);
    for (let digits = 6; digits <= 9; digits += 1) {
        const candidate = Number(wanted.toPrecision(digits));
        if (Math.fround(candidate) === wanted) return candidate;
    }
    return wanted;
}

/** @throws REDGE_DEVICE_VALUE when the value lies outside the model's limits */
export function checkLimits(
    value: DeviceValue,
    limits: { readonly minimum?: number | undefined; readonly maximum?: number | undefined },
    property: string,
): void {
    if (typeof value !== "number" && typeof value !== "bigint") return;
    const { minimum, maximum } = limits;
    const said = (reason: string) => new RedgeError("REDGE_DEVICE_VALUE", { property, value: String(value), reason });
    if (minimum !== undefined && value < minimum) throw said(`is below the minimum ${minimum}`);
    if (maximum !== undefined && value > maximum) throw said(`is above the maximum ${maximum}`);
}

function plainDecimal(value: number): string {
    const short = String(value);
    if (!short.includes("e")) return short;
    const [mantissa = "", exponent = "0"] = short.split("e");
    const shift = Number(exponent);
    const sign = mantissa.startsWith("-") ? "-" : "";
    const [whole = "", fraction = ""] = mantissa.replace("-", "").split(".");
    const digits = whole + fraction;
    const point = whole.length + shift;
    if (point <= 0) return `${sign}0.${"0".repeat(-point)}${digits}`;
    return `${sign}${digits.padEnd(point, "0")}`;
}
