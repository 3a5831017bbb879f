// SPDX-License-Identifier: Apache-2.0
import { randomUUID } from "node:crypto";
import { cloneJson } from "../../src/core/clone.ts";
import { RedgeError } from "../../src/core/errors/redge-error.ts";
import { parseEnvelope } from "../../src/envelope/codec.ts";
import type { Envelope } from "../../src/envelope/envelope.ts";
import type { Message } from "./red.ts";

/**
 * Reads a message on a wire. Made for components, but forgiving to what people make by hand: a missing header is made,
 * a missing `route.resource` is taken from `topic`. An answer may have none: it is known by what it answers.
 * @throws REDGE_ENVELOPE_INVALID
 */
export function toEnvelope(message: Message, nowMs: number): Envelope {
    const route = record(message["route"], "route");
    const header = record(message["header"], "header");
    const envelope = parseEnvelope({
        header: {
            ...header,
            msg_id: header["msg_id"] || randomUUID(),
            timestamp: header["timestamp"] ?? nowMs,
        },
        route: { ...route, resource: route["resource"] || message.topic },
        content: content(message.payload),
    });
    if (envelope.route.resource === "" && envelope.header.parent_msg_id === undefined)
        throw invalid("route.resource", "is missing, and there is no topic");
    if (envelope.route.operation === "") throw invalid("route.operation", "is missing");
    const node = message["node"];
    if (node === undefined || node === null || node === "") return envelope;
    if (typeof node !== "string") throw invalid("node", "is not a string");
    return { ...envelope, node };
}

/**
 * Puts an envelope on a wire. The content is copied: what a flow does to its message never reaches what a component
 * remembers. `about` is the message this one belongs to, whose other properties travel on.
 */
export function toMessage(envelope: Envelope, fresh: () => string, about?: Message): Message {
    const { node: _, ...kept } = about ?? {};
    return {
        ...kept,
        _msgid: about?._msgid ?? fresh(),
        topic: envelope.route.resource,
        payload: cloneJson(envelope.content),
        route: { ...envelope.route },
        header: { ...envelope.header },
        ...(envelope.node === undefined ? {} : { node: envelope.node }),
    };
}

function content(payload: unknown): unknown {
    if (Buffer.isBuffer(payload)) throw invalid("payload", "is a buffer; convert it to text or to an object first");
    return payload ?? null;
}

function record(value: unknown, field: string): Record<string, unknown> {
    if (value === undefined || value === null) return {};
    if (typeof value !== "object" || Array.isArray(value)) throw invalid(field, "is not an object");
    return value as Record<string, unknown>;
}

function invalid(field: string, reason: string): RedgeError {
    return new RedgeError("REDGE_ENVELOPE_INVALID", { field, reason });
}
