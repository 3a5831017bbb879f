// SPDX-License-Identifier: Apache-2.0

/** Tolerant readers of parsed JSON: another type reads as "nothing there". Where that is an error, check and say so. */

export type JsonRecord = Record<string, unknown>;

export function isRecord(value: unknown): value is JsonRecord {
    return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function asRecord(value: unknown): JsonRecord {
    return isRecord(value) ? value : {};
}

/** The objects of a list; anything else in it is left out. */
export function asRecords(value: unknown): readonly JsonRecord[] {
    return Array.isArray(value) ? value.filter(isRecord) : [];
}

/** A string that is not empty. */
export function asText(value: unknown): string | undefined {
    return typeof value === "string" && value !== "" ? value : undefined;
}

export function asNumber(value: unknown): number | undefined {
    return typeof value === "number" && Number.isFinite(value) ? value : undefined;
}

/** The strings among the values of an object. */
export function asTexts(value: unknown): Record<string, string> {
    return Object.fromEntries(
        Object.entries(asRecord(value)).filter((entry): entry is [string, string] => typeof entry[1] === "string"),
    );
}
