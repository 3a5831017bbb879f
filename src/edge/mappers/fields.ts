// SPDX-License-Identifier: Apache-2.0
import { RedgeError } from "../../core/errors/redge-error.ts";

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
    return value !== null && typeof value === "object" && !Array.isArray(value);
}

/** A key of an object: exactly, or else in any case, as KubeEdge's decoders do (device plane reference 0.4). */
export function field(value: unknown, key: string): unknown {
    if (!isRecord(value)) return undefined;
    if (Object.hasOwn(value, key)) return value[key];
    const lower = key.toLowerCase();
    const other = Object.keys(value).find((one) => one.toLowerCase() === lower);
    return other === undefined ? undefined : value[other];
}

export function text(value: unknown): string | undefined {
    return typeof value === "string" ? value : undefined;
}

/** @throws REDGE_DEVICE_INVALID */
export function asRecord(value: unknown, device: string, at: string): Readonly<Record<string, unknown>> {
    if (isRecord(value)) return value;
    throw new RedgeError("REDGE_DEVICE_INVALID", { device, field: at, reason: "is not an object" });
}

/** A number, or a number in text; blank counts as absent. @throws REDGE_DEVICE_INVALID */
export function optionalNumber(value: unknown, device: string, at: string): number | undefined {
    if (value === undefined || value === null || value === "") return undefined;
    const number = typeof value === "number" ? value : typeof value === "string" ? Number(value) : Number.NaN;
    if (Number.isFinite(number)) return number;
    throw new RedgeError("REDGE_DEVICE_INVALID", { device, field: at, reason: `is not a number: ${String(value)}` });
}

/** A boolean, or its text. Absent: `otherwise`. @throws REDGE_DEVICE_INVALID */
export function optionalBoolean(value: unknown, otherwise: boolean, device: string, at: string): boolean {
    if (value === undefined || value === null || value === "") return otherwise;
    if (typeof value === "boolean") return value;
    if (value === "true" || value === "false") return value === "true";
    throw new RedgeError("REDGE_DEVICE_INVALID", {
        device,
        field: at,
        reason: `is not true or false: ${String(value)}`,
    });
}
