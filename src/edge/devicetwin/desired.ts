// SPDX-License-Identifier: Apache-2.0
import { randomUUID } from "node:crypto";
import { errorText } from "../../core/errors/redge-error.ts";
import type { DeviceInstance, PropertyInstance } from "../mappers/device-instance.ts";
import { checkLimits, parseValue, twinTypeOf } from "../mappers/values.ts";
import type { DesiredWrite, WrittenValue } from "../mappers/wire.ts";
import type { TwinChange } from "./documents.ts";
import { DELETED, type DeviceRecord, type TwinProperty } from "./records.ts";
import { bump } from "./updates.ts";

/**
 * What the desired values of a device that has just arrived change in its twin, beside `before`. Each new desired value of a writable
 * property becomes `expected`, waiting for a mapper; one that is no value of its type fails at once.
 */
export function planDesired(
    record: DeviceRecord,
    instance: DeviceInstance,
    nowMs: number,
    before: ReadonlyMap<string, TwinChange> = new Map(),
): Map<string, TwinChange> {
    const changes = new Map(before);
    for (const property of instance.properties) {
        const { name, desired } = property;
        const last = record.twin.get(name);
        const now = before.get(name)?.current ?? last;
        if (desired === undefined || property.accessMode !== "ReadWrite" || now?.desired === desired.value) continue;
        changes.set(name, { last, current: wanted(property, desired.value, now, nowMs) });
    }
    return changes;
}

/**
 * The device as mappers are told of it: a desired value that is none, or that was refused, never reaches one that takes desired values
 * from the device itself (DMI); it stays at the last good one.
 */
export function toldInstance(record: DeviceRecord, instance: DeviceInstance): DeviceInstance {
    const properties = instance.properties.map((property): PropertyInstance => {
        const { desired, ...rest } = property;
        const twin = record.twin.get(property.name);
        if (desired === undefined || twin?.failed?.value !== desired.value) return property;
        const good = twin.expected?.value;
        return good === undefined ? rest : { ...rest, desired: { ...desired, value: good } };
    });
    return { ...instance, properties };
}

/** The desired values of a device that no mapper has confirmed yet. */
export function pendingWrites(record: DeviceRecord, instance: DeviceInstance): DesiredWrite[] {
    return instance.properties.flatMap((property) => {
        const twin = record.twin.get(property.name);
        if (twin?.pendingWrite === undefined || twin.desired === undefined) return [];
        return [
            {
                id: twin.pendingWrite,
                property: property.name,
                value: parseValue(property.type, twin.desired, property.name),
                type: property.type,
                visitor: property.visitor,
                timestamp: twin.expected?.timestamp ?? 0,
            },
        ];
    });
}

/** What a mapper's answer to a write changes; undefined when it answers another write than the one that waits. */
export function planWritten(last: TwinProperty | undefined, written: WrittenValue, nowMs: number) {
    if (last?.pendingWrite === undefined || last.desired === undefined) return undefined;
    if (written.id !== undefined && written.id !== last.pendingWrite) return undefined;
    const { pendingWrite: _done, failed: _before, ...rest } = last;
    const seq = last.seq + 1;
    if (written.error !== undefined) {
        return { ...rest, seq, failed: { value: last.desired, reason: written.error, timestamp: nowMs } };
    }
    const expected = { value: last.desired, timestamp: nowMs };
    return { ...rest, seq, expected, expectedVersion: bump(last.expectedVersion) };
}

function wanted(
    property: PropertyInstance,
    desired: string,
    last: TwinProperty | undefined,
    nowMs: number,
): TwinProperty {
    const alive = last !== undefined && last.type !== DELETED;
    const {
        pendingWrite: _write,
        failed: _failed,
        ...before
    } = alive ? last : { optional: true, seq: last?.seq ?? 0, confirmed: last?.confirmed ?? 0 };
    const next = { ...before, type: alive ? last.type : twinTypeOf(property.type), desired };
    try {
        checkLimits(parseValue(property.type, desired, property.name), property, property.name);
    } catch (thrown) {
        const failed = { value: desired, reason: errorText(thrown), timestamp: nowMs };
        return { ...next, failed, seq: next.seq + 1 };
    }
    return {
        ...next,
        expected: { value: desired, timestamp: nowMs },
        expectedVersion: bump(last?.expectedVersion),
        pendingWrite: randomUUID(),
    };
}
