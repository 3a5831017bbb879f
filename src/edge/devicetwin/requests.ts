// SPDX-License-Identifier: Apache-2.0
import { isPropertyName } from "../../kube/devices/property-rules.ts";
import { field, isRecord, text } from "../mappers/fields.ts";

/** What makes an MQTT document unreadable; becomes the error reply with that code. */
export class BadRequest extends Error {
    readonly code: 400 | 404;

    constructor(reason: string, code: 400 | 404 = 400) {
        super(reason);
        this.code = code;
    }
}

/** One side (expected or actual) of a key in an update. */
export interface GivenValue {
    readonly value: string;
    /** The client's own time stamp, ms; absent: the edge's clock. */
    readonly timestamp?: number | undefined;
    readonly version?: { readonly cloud: number; readonly edge: number } | undefined;
}

/** One key of an update; null asks for its deletion. */
export type GivenTwin = {
    readonly expected?: GivenValue | undefined;
    readonly actual?: GivenValue | undefined;
    readonly optional?: boolean | undefined;
    readonly type?: string | undefined;
} | null;

export interface TwinUpdateRequest {
    readonly eventId: string;
    readonly twin: ReadonlyMap<string, GivenTwin>;
}

/** The event id of a document if it has a readable one, for replies to documents that are otherwise wrong. */
export function eventIdOf(document: unknown): string {
    return text(field(document, "event_id")) ?? "";
}

/** Reads what every request is: a JSON object whose event_id is text. @throws BadRequest */
export function parseRequest(document: unknown): Readonly<Record<string, unknown>> {
    if (!isRecord(document)) throw new BadRequest("the payload is not a JSON object in UTF-8");
    const eventId = field(document, "event_id");
    if (eventId !== undefined && eventId !== null && typeof eventId !== "string") {
        throw new BadRequest("event_id is not text");
    }
    const timestamp = field(document, "timestamp");
    if (timestamp !== undefined && timestamp !== null && typeof timestamp !== "number") {
        throw new BadRequest("timestamp is not a number");
    }
    return document;
}

/** @throws BadRequest */
export function parseTwinUpdate(document: unknown): TwinUpdateRequest {
    const request = parseRequest(document);
    const twin = field(request, "twin");
    if (!isRecord(twin)) throw new BadRequest("twin is missing or not an object");
    const parsed = new Map<string, GivenTwin>();
    for (const [key, given] of Object.entries(twin)) {
        if (!isPropertyName(key)) throw new BadRequest(`the key ${JSON.stringify(key.slice(0, 40))} is not allowed`);
        parsed.set(key, parseTwin(key, given));
    }
    return { eventId: eventIdOf(request), twin: parsed };
}

function parseTwin(key: string, given: unknown): GivenTwin {
    if (given === null) return null;
    if (!isRecord(given)) throw new BadRequest(`twin.${key} is not an object`);
    const optional = field(given, "optional");
    if (optional !== undefined && optional !== null && typeof optional !== "boolean") {
        throw new BadRequest(`twin.${key}.optional is not true or false`);
    }
    const metadata = field(given, "metadata") ?? {};
    if (!isRecord(metadata)) throw new BadRequest(`twin.${key}.metadata is not an object`);
    const type = field(metadata, "type");
    if (type !== undefined && type !== null && typeof type !== "string") {
        throw new BadRequest(`twin.${key}.metadata.type is not text`);
    }
    const expected = parseValue(`twin.${key}.expected`, field(given, "expected"), field(given, "expected_version"));
    const actual = parseValue(`twin.${key}.actual`, field(given, "actual"), field(given, "actual_version"));
    return { expected, actual, optional: optional ?? undefined, type: type || undefined };
}

function parseValue(at: string, given: unknown, givenVersion: unknown): GivenValue | undefined {
    if (given === undefined || given === null) return undefined;
    if (!isRecord(given)) throw new BadRequest(`${at} is not an object`);
    const value = field(given, "value");
    if (typeof value !== "string") throw new BadRequest(`${at}.value is missing or not text`);
    const metadata = field(given, "metadata") ?? {};
    if (!isRecord(metadata)) throw new BadRequest(`${at}.metadata is not an object`);
    const timestamp = field(metadata, "timestamp") ?? undefined;
    if (timestamp !== undefined && typeof timestamp !== "number") {
        throw new BadRequest(`${at}.metadata.timestamp is not a number`);
    }
    return { value, timestamp, version: parseVersion(`${at}_version`, givenVersion) };
}

function parseVersion(at: string, given: unknown): { cloud: number; edge: number } | undefined {
    if (given === undefined || given === null) return undefined;
    const cloud = field(given, "cloud") ?? 0;
    const edge = field(given, "edge") ?? 0;
    if (!isRecord(given) || typeof cloud !== "number" || typeof edge !== "number") {
        throw new BadRequest(`${at} is not a version`);
    }
    return { cloud, edge };
}
