// SPDX-License-Identifier: Apache-2.0
import { isUtf8 } from "node:buffer";

/** What a drawn route carries between its two ends, with whatever the nodes between them put into it. */
export interface RouteMessage {
    readonly topic?: unknown;
    /** Text, or bytes where it is none. */
    readonly payload?: unknown;
    /** The edge node it comes from or goes to. */
    readonly node?: unknown;
    /** Who waits for an answer, and what was asked; kept by the nodes between, as `req` and `res` of an HTTP request are. */
    readonly call?: unknown;
    /** Of an answer. */
    readonly statusCode?: unknown;
    readonly headers?: unknown;
    readonly [property: string]: unknown;
}

/** Content of `call`. */
export interface Call {
    /** Absent: nobody waits. */
    readonly id?: string;
    readonly method: string;
    /** What follows the route's path; appended to the path or topic of the target. */
    readonly rest: string;
    /** With its question mark, or empty. */
    readonly query: string;
    readonly headers: Readonly<Record<string, readonly string[]>>;
}

export function payloadOf(bytes: Buffer): string | Buffer {
    return isUtf8(bytes) ? bytes.toString("utf8") : bytes;
}

/** A payload as bytes: text as it is, anything else as its JSON. */
export function bytesOf(payload: unknown): Buffer {
    if (Buffer.isBuffer(payload)) return payload;
    return Buffer.from(typeof payload === "string" ? payload : (JSON.stringify(payload) ?? ""));
}
