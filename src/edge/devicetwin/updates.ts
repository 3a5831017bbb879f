// SPDX-License-Identifier: Apache-2.0
import { isBase64, MAX_VALUE_BYTES } from "../../kube/devices/property-rules.ts";
import type { TwinChange } from "./documents.ts";
import { DELETED, type DeviceRecord, type StoredValue, type TwinProperty, type Version } from "./records.ts";
import { BadRequest, type GivenTwin, type GivenValue } from "./requests.ts";

/** A client's clock may run ahead of ours by this much before its time stamps are taken for nonsense. */
const MAX_AHEAD_MS = 60_000;
/** Half of a character of two; no UTF-8 says it. */
const LONE_SURROGATE = /\p{Surrogate}/u;
/** What nothing was read of is not told. An empty `expected` is no value, but says that nothing is. */
const NEVER_EMPTY = new Set(["int", "integer", "float", "double", "boolean", "object"]);
const INT = /^[+-]?\d+$/;

export interface UpdateRules {
    /** The twin type that the device's model gives a property. */
    readonly typeOf: (property: string) => string | undefined;
    readonly nowMs: number;
    /** A value of this property that is the same as less than this ago changes nothing. */
    readonly refreshMs: (property: string) => number;
}

/**
 * Works out what an update from MQTT, DMI or a mapper changes (device plane reference 3.8). All or nothing: a key that
 * is not valid refuses the whole update. Unlike KubeEdge the client's time stamp is kept.
 * @throws BadRequest
 */
export function planUpdate(
    record: DeviceRecord,
    twin: ReadonlyMap<string, GivenTwin>,
    rules: UpdateRules,
): Map<string, TwinChange> {
    const changes = new Map<string, TwinChange>();
    for (const [key, given] of twin) {
        const last = record.twin.get(key);
        const current = given === null ? removal(last) : change(key, last, given, rules);
        if (current !== undefined) changes.set(key, { last, current });
    }
    return changes;
}

function removal(last: TwinProperty | undefined): TwinProperty | undefined {
    return last === undefined || last.type === DELETED || !last.optional ? undefined : tombstone(last);
}

/** What is left of a key that was deleted: its counters go on if it comes back. */
export function tombstone(last: TwinProperty): TwinProperty {
    return {
        type: DELETED,
        optional: true,
        expectedVersion: bump(last.expectedVersion),
        actualVersion: bump(last.actualVersion),
        seq: last.seq + 1,
        confirmed: last.confirmed,
    };
}

function change(
    key: string,
    last: TwinProperty | undefined,
    given: NonNullable<GivenTwin>,
    { typeOf, nowMs, refreshMs }: UpdateRules,
): TwinProperty {
    const alive = last !== undefined && last.type !== DELETED;
    const type = alive ? last.type : (given.type ?? typeOf(key) ?? "string");
    if (type === DELETED) throw new BadRequest(`twin.${key}: a new key cannot be of type deleted`);
    checkType(key, type, given.expected);
    checkType(key, type, given.actual);
    if (given.actual?.value === "" && NEVER_EMPTY.has(type))
        throw new BadRequest(`twin.${key}: an empty value is not of type ${type}`);
    const expected = given.expected === undefined ? undefined : stored(given.expected, nowMs);
    const actual = given.actual === undefined ? undefined : stored(given.actual, nowMs);
    if (alive && given.optional !== false && expected === undefined && isSame(last, actual, refreshMs(key)))
        return last;
    const before = alive ? settled(last, expected, actual) : undefined;
    return {
        ...(before ?? { optional: true, seq: last?.seq ?? 0, confirmed: last?.confirmed ?? 0 }),
        type,
        optional: (before?.optional ?? true) && given.optional !== false,
        ...(expected === undefined ? {} : { expected, expectedVersion: bump(last?.expectedVersion) }),
        ...(actual === undefined ? {} : { actual, actualVersion: bump(last?.actualVersion) }),
        seq: (last?.seq ?? 0) + 1,
    };
}

/** KubeEdge counts every report as a change; here a value that was told just now and is still the same is none. */
function isSame(last: TwinProperty, actual: StoredValue | undefined, refreshMs: number): boolean {
    const before = last.actual;
    if (actual === undefined || before === undefined || before.quality === "bad") return false;
    return actual.value === before.value && Math.abs(actual.timestamp - before.timestamp) < refreshMs;
}

/**
 * Classic MQTT mappers follow the delta and report the value they have set: then the desired value is taken, and so it
 * is when the client itself says what is expected.
 */
function settled(last: TwinProperty, expected: StoredValue | undefined, actual: StoredValue | undefined): TwinProperty {
    const { pendingWrite, failed, unread, ...rest } = last;
    const done = expected !== undefined || (actual !== undefined && actual.value === last.desired);
    return {
        ...rest,
        ...(done || pendingWrite === undefined ? {} : { pendingWrite }),
        ...(done || failed === undefined ? {} : { failed }),
        ...(actual !== undefined || unread === undefined ? {} : { unread }),
    };
}

/** @throws BadRequest when the text is no value of the type */
export function checkType(key: string, type: string, given: { readonly value: string } | undefined): void {
    if (given === undefined || given.value === "") return;
    const { value } = given;
    if (Buffer.byteLength(value) > MAX_VALUE_BYTES)
        throw new BadRequest(`twin.${key} is longer than ${MAX_VALUE_BYTES} bytes`);
    if (LONE_SURROGATE.test(value)) throw new BadRequest(`twin.${key} is not valid Unicode`);
    const refuse = (): never => {
        throw new BadRequest(`twin.${key}: ${JSON.stringify(value.slice(0, 40))} is not of type ${type}`);
    };
    switch (type) {
        case "int":
        case "integer":
            if (!INT.test(value) || !fits64Bits(BigInt(value))) refuse();
            return;
        case "float":
        case "double":
            if (value.trim() === "" || !Number.isFinite(Number(value))) refuse();
            return;
        case "boolean":
            if (value !== "true" && value !== "false") refuse();
            return;
        case "object":
            if (!isJson(value)) refuse();
            return;
        case "bytes":
            if (!isBase64(value)) refuse();
            return;
        case "string":
        case DELETED:
            return;
        default:
            throw new BadRequest(`twin.${key}: the type ${type.slice(0, 40)} is not known`);
    }
}

/** Signed as in KubeEdge, or unsigned, as registers of 64 bits may be. */
function fits64Bits(whole: bigint): boolean {
    return whole >= -(2n ** 63n) && whole < 2n ** 64n;
}

function isJson(value: string): boolean {
    try {
        JSON.parse(value);
        return true;
    } catch {
        return false;
    }
}

export function bump(version: Version | undefined): Version {
    return { cloud: version?.cloud ?? 0, edge: (version?.edge ?? 0) + 1 };
}

function stored({ value, timestamp }: GivenValue, nowMs: number): StoredValue {
    const usable = timestamp !== undefined && timestamp > 0 && timestamp <= nowMs + MAX_AHEAD_MS;
    return { value, timestamp: usable ? Math.trunc(timestamp) : nowMs };
}
