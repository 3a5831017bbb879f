// SPDX-License-Identifier: Apache-2.0
import { RedgeError } from "../../core/errors/redge-error.ts";
import { type Envelope, Group, newEnvelope, Operation } from "../../envelope/envelope.ts";
import { isPropertyName } from "../../kube/devices/property-rules.ts";
import type { DeviceInstance, ProtocolConfig } from "./device-instance.ts";
import { field, isRecord, text } from "./fields.ts";
import type { DeviceValue, PropertyType } from "./values.ts";

/** Who speaks for mappers on the wire between them and DeviceTwin (docs/devices.md). */
export const MAPPER_SOURCE = "mapper";
/** The operation of one desired value on its way to a mapper. */
export const WRITE = "write";
/** The operation of one call of a device method on its way to a mapper. */
export const CALL = "call";
/** The resource that stands for every device of the gateway. */
export const ALL_DEVICES = "devices";

/** Content of `insert` and `update` on a device's resource, DeviceTwin → mappers. */
export interface DeviceConfiguration {
    readonly device: unknown;
    readonly model: unknown;
    readonly instance: DeviceInstance;
}

/** Content of `write`, DeviceTwin → mappers: one desired value to be set once. */
export interface DesiredWrite {
    /** Echoed in `written`, so that an old answer is not taken for a new one. */
    readonly id: string;
    readonly property: string;
    readonly value: DeviceValue;
    readonly type: PropertyType;
    readonly visitor: ProtocolConfig;
    /** When it was asked for, ms since the epoch. */
    readonly timestamp: number;
    /** Set when it is part of a method's call: the call's id, and the method's name. */
    readonly call?: string;
    readonly method?: string;
}

/**
 * Content of `call` on `<namespace>/device/<name>/method`, DeviceTwin → mappers: one call of a method. Its parameters that
 * are properties come as a `write` each, too: a mapper does the one or the other.
 */
export interface MethodRequest {
    readonly id: string;
    readonly method: string;
    readonly params: Readonly<Record<string, unknown>>;
    readonly timeoutMs: number;
    /** When it arrived, ms since the epoch. */
    readonly timestamp: number;
}

export interface ReportedValue {
    readonly value: unknown;
    /** When it was read, ms since the epoch; absent: now. */
    readonly timestamp?: number | undefined;
    /** Absent: good. */
    readonly quality?: "good" | "bad" | undefined;
    readonly reason?: string | undefined;
}

export interface WrittenValue {
    readonly id?: string | undefined;
    readonly value: unknown;
    /** Set: the device refused it for good; it is not tried again. */
    readonly error?: string | undefined;
}

/** How a call ended: `error` set means that it failed. */
export interface CalledMethod {
    readonly result?: unknown;
    readonly error?: string | undefined;
}

/** Content of `upload` on a device's resource, mappers → DeviceTwin. Everything optional. */
export interface MapperReport {
    readonly reported?: Readonly<Record<string, ReportedValue>>;
    readonly written?: Readonly<Record<string, WrittenValue>>;
    /** By the calls' ids. */
    readonly called?: Readonly<Record<string, CalledMethod>>;
    /** online, offline, ok, unknown or unhealthy. */
    readonly state?: string;
}

/** The resource of a device: `<namespace>/device/<name>`. */
export function deviceResource(id: string): string {
    const slash = id.indexOf("/");
    return `${id.slice(0, slash)}/device/${id.slice(slash + 1)}`;
}

/** The device id `<namespace>/<name>` of a device's resource. */
export function deviceIdOf(resource: string): string | undefined {
    const [namespace, type, name, ...rest] = resource.split("/");
    return namespace && type === "device" && name && rest.length === 0 ? `${namespace}/${name}` : undefined;
}

const METHOD = "/method";

export function callResource(id: string): string {
    return deviceResource(id) + METHOD;
}

/** The device id of a resource that `call` comes on. */
export function deviceIdOfCall(resource: string): string | undefined {
    return resource.endsWith(METHOD) ? deviceIdOf(resource.slice(0, -METHOD.length)) : undefined;
}

/** What a mapper tells of one device, as an envelope for DeviceTwin's input. */
export function mapperReport(id: string, report: MapperReport): Envelope {
    return newEnvelope({
        route: {
            source: MAPPER_SOURCE,
            group: Group.twin,
            operation: Operation.upload,
            resource: deviceResource(id),
        },
        content: report,
    });
}

/** Asks DeviceTwin for every device and every desired value that is still to be written. */
export function queryDevices(): Envelope {
    return query(ALL_DEVICES);
}

/** The same for one device. */
export function queryDevice(id: string): Envelope {
    return query(deviceResource(id));
}

/** Asks DeviceTwin for the twin of a device; the answer comes by its mappers output, `parent_msg_id` set. */
export function queryTwin(id: string): Envelope {
    return query(`${deviceResource(id)}/twin`);
}

/** Asks DeviceTwin for the newest values of a property that it has kept. */
export function queryHistory(id: string, property: string, count: number): Envelope {
    return query(`${deviceResource(id)}/history`, { property, count });
}

function query(resource: string, content: unknown = null): Envelope {
    const route = { source: MAPPER_SOURCE, group: Group.twin, operation: Operation.query, resource };
    return newEnvelope({ route, content });
}

/**
 * Reads what came from a mapper, perhaps written by hand in a function node: a property's value may stand alone
 * instead of in an object.
 * @throws REDGE_DEVICE_MESSAGE
 */
export function parseMapperReport(content: unknown): MapperReport {
    if (!isRecord(content)) throw refuse("content", "is not an object");
    const { reported, written, called, state } = content;
    if (state !== undefined && typeof state !== "string") throw refuse("state", "is not text");
    return {
        ...(reported === undefined ? {} : { reported: mapValues(reported, "reported", reportedValue) }),
        ...(written === undefined ? {} : { written: mapValues(written, "written", writtenValue) }),
        ...(called === undefined ? {} : { called: mapValues(called, "called", calledMethod) }),
        ...(state === undefined ? {} : { state }),
    };
}

function mapValues<T>(
    given: unknown,
    at: string,
    parse: (value: unknown, at: string, key: string) => T,
): Record<string, T> {
    if (!isRecord(given)) throw refuse(at, "is not an object");
    return Object.fromEntries(Object.entries(given).map(([key, value]) => [key, parse(value, `${at}.${key}`, key)]));
}

function reportedValue(given: unknown, at: string, name: string): ReportedValue {
    if (!isPropertyName(name)) throw refuse(at.slice(0, 200), "is no name of a property");
    if (!isRecord(given) || !("value" in given || "quality" in given)) return { value: given };
    const timestamp = field(given, "timestamp");
    const quality = field(given, "quality");
    const reason = text(field(given, "reason"));
    if (timestamp !== undefined && typeof timestamp !== "number") throw refuse(`${at}.timestamp`, "is not a number");
    if (quality !== undefined && quality !== "good" && quality !== "bad") {
        throw refuse(`${at}.quality`, 'is neither "good" nor "bad"');
    }
    return {
        value: given["value"],
        ...(timestamp === undefined ? {} : { timestamp }),
        ...(quality === undefined ? {} : { quality }),
        ...(reason === undefined ? {} : { reason }),
    };
}

function writtenValue(given: unknown, _at: string): WrittenValue {
    if (!isRecord(given)) return { value: given };
    const id = text(field(given, "id"));
    const error = text(field(given, "error"));
    return {
        value: given["value"],
        ...(id === undefined ? {} : { id }),
        ...(error === undefined ? {} : { error }),
    };
}

function calledMethod(given: unknown, _at: string): CalledMethod {
    if (!isRecord(given) || !("result" in given || "error" in given)) return { result: given };
    const { result, error } = given;
    if (error === undefined || error === null) return { result };
    return { error: text(error) ?? text(field(error, "message")) ?? JSON.stringify(error) };
}

function refuse(where: string, reason: string): RedgeError {
    return new RedgeError("REDGE_DEVICE_MESSAGE", { component: "DeviceTwin", field: where, reason });
}
