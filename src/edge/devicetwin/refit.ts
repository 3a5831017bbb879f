// SPDX-License-Identifier: Apache-2.0
import { isDeepStrictEqual } from "node:util";
import type { DeviceInstance, PropertyInstance } from "../mappers/device-instance.ts";
import { twinTypeOf } from "../mappers/values.ts";
import type { TwinChange } from "./documents.ts";
import { DELETED, type DeviceRecord, type StoredValue, type TwinProperty } from "./records.ts";
import { BadRequest } from "./requests.ts";
import { checkType, tombstone } from "./updates.ts";

/**
 * What a change of a Device or its model changes in the twin as it is: a property that the Device no longer lists goes, as if
 * it had been deleted; one whose type has changed gets the new type, and keeps the values that are of it; a desired value
 * that was refused is tried again when what it was refused by has changed. Keys that only MQTT clients know stay.
 */
export function planRefit(
    record: DeviceRecord,
    before: DeviceInstance | undefined,
    instance: DeviceInstance,
): Map<string, TwinChange> {
    const changes = new Map<string, TwinChange>();
    if (before === undefined) return changes;
    const moved = !isDeepStrictEqual(before.protocol, instance.protocol);
    for (const old of before.properties) {
        const last = record.twin.get(old.name);
        if (last === undefined || last.type === DELETED) continue;
        const property = instance.properties.find(({ name }) => name === old.name);
        const current = property === undefined ? tombstone(last) : refitted(last, old, property, moved);
        if (current !== last) changes.set(old.name, { last, current });
    }
    return changes;
}

function refitted(last: TwinProperty, old: PropertyInstance, now: PropertyInstance, moved: boolean): TwinProperty {
    const type = twinTypeOf(now.type);
    const typed = type === twinTypeOf(old.type) || type === last.type ? last : retyped(last, type);
    const retry = typed.failed !== undefined && (moved || !isDeepStrictEqual(settings(old), settings(now)));
    if (!retry) return typed;
    const { failed: _refused, desired: _again, ...rest } = typed;
    return rest;
}

/** Everything of a property but what is desired of it. */
function settings({ desired: _desired, ...rest }: PropertyInstance): unknown {
    return rest;
}

function retyped(last: TwinProperty, type: string): TwinProperty {
    const { expected, actual, ...rest } = last;
    return {
        ...rest,
        type,
        ...(isOf(type, expected) ? { expected } : {}),
        ...(isOf(type, actual) ? { actual } : {}),
    };
}

function isOf(type: string, given: StoredValue | undefined): given is StoredValue {
    if (given === undefined) return false;
    try {
        checkType("value", type, given);
        return true;
    } catch (thrown) {
        if (thrown instanceof BadRequest) return false;
        throw thrown;
    }
}
