// SPDX-License-Identifier: Apache-2.0
import { DELETED, type DeviceRecord, type StoredValue, type TwinProperty, type Version } from "./records.ts";

/** KubeEdge's wire types (device plane reference 3.3); `null` stands where KubeEdge writes null. */
export interface TwinValue {
    readonly value?: string;
    readonly metadata?: { readonly timestamp?: number; readonly quality?: "bad"; readonly reason?: string };
}

export interface MsgTwin {
    readonly expected?: TwinValue;
    readonly actual?: TwinValue;
    readonly optional?: boolean;
    readonly metadata?: { readonly type?: string };
    readonly expected_version?: Version;
    readonly actual_version?: Version;
    /** Redge: a desired value that the device or its mapper refused. KubeEdge ignores the key. */
    readonly failed?: { readonly value: string; readonly reason: string; readonly timestamp: number };
    /** Redge: why the property could never be read so far. KubeEdge ignores the key. */
    readonly unread?: { readonly reason: string };
}

export interface DeviceInfo {
    readonly id: string;
    readonly name: string;
    readonly description?: string;
    readonly state?: string;
    readonly last_online?: string;
}

/** One key before and after an update; undefined: did not, or does no longer exist. */
export interface TwinChange {
    readonly last: TwinProperty | undefined;
    readonly current: TwinProperty | undefined;
}

export interface Stamp {
    readonly event_id: string;
    readonly timestamp: number;
}

/** A twin as MQTT clients see it: without versions. */
export function publicTwin(property: TwinProperty): MsgTwin {
    return {
        ...(property.expected === undefined ? {} : { expected: wireValue(property.expected) }),
        ...(property.actual === undefined ? {} : { actual: wireValue(property.actual) }),
        optional: property.optional,
        metadata: { type: property.type },
    };
}

/** A twin as the cloud sees it: with versions; a desired value only after it was taken (status' observedDesired). */
export function cloudTwin(property: TwinProperty): MsgTwin {
    const taken = property.pendingWrite === undefined && property.failed === undefined;
    const expected = taken && property.expected !== undefined;
    return {
        ...(expected && property.expected !== undefined ? { expected: wireValue(property.expected) } : {}),
        ...(property.actual === undefined ? {} : { actual: wireValue(property.actual) }),
        optional: property.optional,
        metadata: { type: property.type },
        ...(expected && property.expectedVersion !== undefined ? { expected_version: property.expectedVersion } : {}),
        ...(property.actualVersion === undefined ? {} : { actual_version: property.actualVersion }),
        ...(property.failed === undefined ? {} : { failed: property.failed }),
        ...(property.unread === undefined ? {} : { unread: property.unread }),
    };
}

export function getResult(stamp: Stamp, record: DeviceRecord): object {
    const live = [...record.twin].filter(([, property]) => property.type !== DELETED);
    return { ...stamp, twin: Object.fromEntries(live.map(([key, property]) => [key, publicTwin(property)])) };
}

/** `…/twin/update/result`: the changed keys, deleted ones as null; of a key that was there only the side that was given. */
export function updateResult(stamp: Stamp, changes: ReadonlyMap<string, TwinChange>): object {
    return { ...stamp, twin: eachChange(changes, resultOf) };
}

function resultOf({ last, current }: TwinChange): MsgTwin | null {
    if (!isLive(current)) return null;
    const { expected, actual, ...rest } = publicTwin(current);
    const isGiven = (side: "expected" | "actual"): boolean => current[side] !== last?.[side];
    // A reading that the report policy holds back changes neither side.
    const all = !isLive(last) || !(isGiven("expected") || isGiven("actual"));
    return {
        ...(expected !== undefined && (all || isGiven("expected")) ? { expected } : {}),
        ...(actual !== undefined && (all || isGiven("actual")) ? { actual } : {}),
        ...rest,
    };
}

/** `…/twin/update/document`: before and after of the changed keys. */
export function updateDocument(stamp: Stamp, changes: ReadonlyMap<string, TwinChange>): object {
    return {
        ...stamp,
        twin: eachChange(changes, ({ last, current }) => ({
            last: isLive(last) ? publicTwin(last) : null,
            current: isLive(current) ? publicTwin(current) : null,
        })),
    };
}

/** `…/twin/update/delta`: every key whose expected value differs from the actual one; undefined when none does. */
export function updateDelta(stamp: Stamp, record: DeviceRecord): object | undefined {
    const twin: Record<string, MsgTwin> = {};
    const delta: Record<string, string> = {};
    for (const [key, property] of record.twin) {
        if (!isLive(property) || !property.expected?.value) continue;
        twin[key] = publicTwin(property);
        if (property.expected.value !== property.actual?.value) delta[key] = property.expected.value;
    }
    return Object.keys(delta).length === 0 ? undefined : { ...stamp, twin, delta };
}

/** `device/<id>/twin/edge_updated`, to the cloud; `present` (Redge; KubeEdge ignores the key) runs ahead of reports that come later. */
export function edgeUpdated(stamp: Stamp, twins: CloudTwins, present: CloudTwins = []): object {
    const ahead = present.length === 0 ? {} : { present: cloudTwins(present) };
    return { ...stamp, twin: cloudTwins(twins), ...ahead };
}

type CloudTwins = readonly (readonly [string, TwinProperty])[];

function cloudTwins(twins: CloudTwins): object {
    return Object.fromEntries(twins.map(([key, property]) => [key, cloudTwin(property)]));
}

/** `device/<id>/state/update`, to the cloud: the state, and the calls that have ended (Redge; KubeEdge ignores the key). */
export function stateToCloud(stamp: Stamp, record: DeviceRecord): object {
    const ended = Object.values(record.calls ?? {}).filter(({ state, asked }) => state !== "Pending" && asked);
    const calls = ended.map(({ id, state, result, reason, finishedMs }) => ({ id, state, result, reason, finishedMs }));
    return { ...stateResult(stamp, record), ...(calls.length === 0 ? {} : { calls }) };
}

/** `…/state/update/result`. */
export function stateResult(stamp: Stamp, record: DeviceRecord): object {
    return {
        ...stamp,
        device: {
            name: record.name,
            ...(record.state === undefined ? {} : { state: record.state }),
            ...(record.lastOnline === undefined ? {} : { lastOnlineTime: record.lastOnline }),
        },
    };
}

export function membershipResult(stamp: Stamp, records: Iterable<DeviceRecord>): object {
    return { ...stamp, devices: [...records].map(deviceInfo) };
}

export function membershipUpdated(stamp: Stamp, added: DeviceRecord | undefined, removed: DeviceRecord | undefined) {
    return {
        ...stamp,
        added_devices: added === undefined ? null : [deviceInfo(added)],
        removed_devices: removed === undefined ? null : [deviceInfo(removed)],
    };
}

export function errorResult(stamp: Stamp, code: 400 | 404 | 500, reason: string): object {
    return { ...stamp, code, reason };
}

function deviceInfo(record: DeviceRecord): DeviceInfo {
    return {
        id: record.id,
        name: record.name,
        ...(record.description === undefined ? {} : { description: record.description }),
        ...(record.state === undefined ? {} : { state: record.state }),
        ...(record.lastOnline === undefined ? {} : { last_online: record.lastOnline }),
    };
}

function wireValue({ value, timestamp, quality, reason }: StoredValue): TwinValue {
    return {
        value,
        metadata: {
            timestamp,
            ...(quality === undefined ? {} : { quality }),
            ...(reason === undefined ? {} : { reason }),
        },
    };
}

function isLive(property: TwinProperty | undefined): property is TwinProperty {
    return property !== undefined && property.type !== DELETED;
}

function eachChange(changes: ReadonlyMap<string, TwinChange>, make: (change: TwinChange) => unknown): object {
    return Object.fromEntries([...changes].map(([key, change]) => [key, make(change)]));
}
