// SPDX-License-Identifier: Apache-2.0
import { isDeepStrictEqual } from "node:util";
import { isBase64 } from "../../kube/devices/property-rules.ts";
import type { ModelProperty } from "./device.ts";

/** Why a value, always text on the wire, is none of the property's type; undefined when it is. */
export function typeMismatch(property: ModelProperty, value: string): string | undefined {
    switch (property.type) {
        case "INT":
            return /^\s*[+-]?\d+\s*$/.test(value) ? undefined : "is not an integer";
        case "FLOAT":
        case "DOUBLE":
            return isNumber(value) ? undefined : "is not a number";
        case "BOOLEAN":
            return /^(true|false|1|0)$/i.test(value.trim()) ? undefined : "is neither true nor false";
        case "OBJECT":
            return isJson(value) ? undefined : "is not JSON";
        case "BYTES":
            return isBase64(value) ? undefined : "is not base64";
        default:
            return undefined;
    }
}

/** Why a value may not be written to the property; undefined when it may. */
export function refusal(property: ModelProperty, value: string): string | undefined {
    const mismatch = typeMismatch(property, value);
    if (mismatch !== undefined || !["INT", "FLOAT", "DOUBLE"].includes(property.type)) return mismatch;
    const { minimum, maximum } = property;
    if (minimum !== undefined && isNumber(minimum) && exact(value) < exact(minimum)) return `is below ${minimum}`;
    if (maximum !== undefined && isNumber(maximum) && exact(value) > exact(maximum)) return `is above ${maximum}`;
    return undefined;
}

/** Whole numbers whole: those of 64 bits are more than a double tells apart. */
function exact(value: string): number | bigint {
    const [, sign, digits = ""] = /^\s*([+-]?)(\d+)\s*$/.exec(value) ?? [];
    if (sign === undefined) return Number(value);
    return sign === "-" ? -BigInt(digits) : BigInt(digits);
}

/** True when both mean the same, as 21 and 21.0 of a number. */
export function sameValue(property: ModelProperty | undefined, one: string, other: string): boolean {
    if (one === other) return true;
    switch (property?.type) {
        case "INT":
            return isNumber(one) && isNumber(other) && isEqual(exact(one), exact(other));
        case "FLOAT":
        case "DOUBLE":
            return isNumber(one) && isNumber(other) && Number(one) === Number(other);
        case "BOOLEAN":
            return truth(one) === truth(other);
        case "OBJECT":
            return isJson(one) && isJson(other) && isDeepStrictEqual(JSON.parse(one), JSON.parse(other));
        default:
            return false;
    }
}

/** 21.0, a number, is 21, a bigint, which `===` denies. */
function isEqual(one: number | bigint, other: number | bigint): boolean {
    return !(one < other) && !(one > other);
}

function truth(value: string): boolean {
    return /^(true|1)$/i.test(value.trim());
}

function isNumber(value: string): boolean {
    return value.trim() !== "" && Number.isFinite(Number(value));
}

function isJson(value: string): boolean {
    try {
        JSON.parse(value);
        return true;
    } catch {
        return false;
    }
}
