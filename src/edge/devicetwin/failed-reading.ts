// SPDX-License-Identifier: Apache-2.0
import type { TwinChange } from "./documents.ts";
import { DELETED, type DeviceRecord, type TwinProperty } from "./records.ts";

/**
 * The twin after a failed reading: the last good value stays, marked; where there is none yet, the reason alone. Told to the
 * cloud once: undefined when it is known already.
 */
export function failedReading(
    last: TwinProperty | undefined,
    type: string,
    reason: string | undefined,
): TwinProperty | undefined {
    const actual = last?.actual;
    if (last !== undefined && actual !== undefined) {
        if (actual.quality === "bad" && actual.reason === reason) return undefined;
        const marked = { ...actual, quality: "bad" as const, ...(reason === undefined ? {} : { reason }) };
        return { ...last, actual: marked, seq: last.seq + 1 };
    }
    const unread = { reason: reason ?? "the reading failed" };
    if (last?.unread?.reason === unread.reason) return undefined;
    if (last === undefined) return { type, optional: true, seq: 1, confirmed: 0, unread };
    return { ...last, type: last.type === DELETED ? type : last.type, seq: last.seq + 1, unread };
}

/** The twin of a device that cannot be as it is described: none of these properties is read. */
export function planUnreadable(
    record: DeviceRecord,
    properties: readonly string[],
    reason: string,
): Map<string, TwinChange> {
    const changes = new Map<string, TwinChange>();
    for (const property of properties) {
        const last = record.twin.get(property);
        const current = failedReading(last, "string", reason);
        if (current !== undefined) changes.set(property, { last, current });
    }
    return changes;
}
