// SPDX-License-Identifier: Apache-2.0
import { type DeviceValue, PROPERTY_TYPES, parseValue } from "../mappers/values.ts";
import { DELETED, type DeviceRecord } from "./records.ts";

/** A property's twin for flows: the value typed, with what is known beside it. */
export interface ReadableProperty {
    readonly value: DeviceValue | null;
    readonly timestamp: number | null;
    readonly quality: "good" | "bad";
    /** Why the last reading failed. */
    readonly reason: string | null;
    readonly expected: string | null;
    readonly type: string;
}

export function readableTwin(record: DeviceRecord): Readonly<Record<string, ReadableProperty>> {
    const live = [...record.twin].filter(([, { type }]) => type !== DELETED);
    return Object.fromEntries(
        live.map(([name, { actual, expected, type, unread }]) => [
            name,
            {
                value: actual === undefined ? null : readableValue(type, actual.value, name),
                timestamp: actual?.timestamp ?? null,
                quality: actual?.quality ?? (unread === undefined ? "good" : "bad"),
                reason: (actual ?? unread)?.reason ?? null,
                expected: expected?.value ?? null,
                type,
            },
        ]),
    );
}

/** The value behind a twin's text. */
export function readableValue(type: string, value: string, name: string): DeviceValue {
    const upper = type === "integer" ? "INT" : type.toUpperCase();
    const known = PROPERTY_TYPES.find((one) => one === upper) ?? "STRING";
    // An empty value is one that nobody has set; it has no type.
    return value === "" ? value : parseValue(known, value, name);
}
