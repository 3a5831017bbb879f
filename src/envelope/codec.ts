// SPDX-License-Identifier: Apache-2.0
import { errorText, RedgeError } from "../core/errors/redge-error.ts";
import type { Envelope, Header, Route } from "./envelope.ts";

/** One WebSocket text message: a JSON object with header, route and content (wire protocol, sections 1.3 and 2.1). */
export function encodeEnvelope(envelope: Envelope): string {
    const { header, route, content } = envelope;
    return JSON.stringify({ header, route, content: content === undefined ? null : content });
}

/**
 * Reads what a KubeEdge peer sent. Tolerates white space at the end and unknown keys.
 * @throws REDGE_ENVELOPE_NOT_JSON, REDGE_ENVELOPE_INVALID
 */
export function decodeEnvelope(text: string): Envelope {
    let value: unknown;
    try {
        value = JSON.parse(text);
    } catch (thrown) {
        throw new RedgeError("REDGE_ENVELOPE_NOT_JSON", { reason: errorText(thrown) });
    }
    return parseEnvelope(value);
}

/**
 * Checks that a parsed value is an envelope and copies the known fields.
 * @throws REDGE_ENVELOPE_INVALID
 */
export function parseEnvelope(value: unknown): Envelope {
    const whole = asRecord(value, "message");
    const header = asRecord(whole["header"], "header");
    const route = asRecord(whole["route"], "route");
    return { header: parseHeader(header), route: parseRoute(route), content: whole["content"] ?? null };
}

function parseHeader(header: Record<string, unknown>): Header {
    const parent = optionalString(header, "header", "parent_msg_id");
    const version = optionalString(header, "header", "resourceversion");
    const type = optionalString(header, "header", "type");
    const { timestamp, sync } = header;
    if (timestamp !== undefined && typeof timestamp !== "number") throw invalid("header.timestamp", "is not a number");
    return {
        msg_id: requiredString(header, "header", "msg_id"),
        ...(parent ? { parent_msg_id: parent } : {}),
        timestamp: timestamp ?? 0,
        ...(version ? { resourceversion: version } : {}),
        ...(sync === true ? { sync } : {}),
        ...(type ? { type } : {}),
    };
}

function parseRoute(route: Record<string, unknown>): Route {
    const source = optionalString(route, "route", "source");
    const destination = optionalString(route, "route", "destination");
    const group = optionalString(route, "route", "group");
    return {
        ...(source ? { source } : {}),
        ...(destination ? { destination } : {}),
        ...(group ? { group } : {}),
        operation: optionalString(route, "route", "operation") ?? "",
        resource: optionalString(route, "route", "resource") ?? "",
    };
}

function asRecord(value: unknown, field: string): Record<string, unknown> {
    if (value === null || typeof value !== "object" || Array.isArray(value)) throw invalid(field, "is not an object");
    return value as Record<string, unknown>;
}

function requiredString(from: Record<string, unknown>, at: string, key: string): string {
    const text = optionalString(from, at, key);
    if (text === undefined || text === "") throw invalid(`${at}.${key}`, "is missing");
    return text;
}

function optionalString(from: Record<string, unknown>, at: string, key: string): string | undefined {
    const value = from[key];
    if (value === undefined || value === null) return undefined;
    if (typeof value !== "string") throw invalid(`${at}.${key}`, "is not a string");
    return value;
}

function invalid(field: string, reason: string): RedgeError {
    return new RedgeError("REDGE_ENVELOPE_INVALID", { field, reason });
}
