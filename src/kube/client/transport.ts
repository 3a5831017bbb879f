// SPDX-License-Identifier: Apache-2.0
import type { WatchEvent } from "./client.ts";

export interface ApiRequest {
    readonly method: string;
    /** With the query, from /api on. */
    readonly path: string;
    readonly body?: string | undefined;
    readonly contentType?: string | undefined;
    /** Ends the request, and the answer that is being read. */
    readonly signal?: AbortSignal | undefined;
    /** Without an answer's head for this long the request is given up. */
    readonly timeoutMs: number;
}

/** An answer whose head is there; its body is read by one of the two, once. */
export interface ApiAnswer {
    /** HTTP status. */
    readonly code: number;
    /** Seconds, of the Retry-After header; NaN without one. */
    readonly retryAfterS: number;
    /** The whole body. Rejects when it stops half way, or is not complete in `withinMs`. */
    text(withinMs: number): Promise<string>;
    /** The events of a watch as they come; throws when the connection breaks. */
    events(): AsyncIterable<WatchEvent>;
    /** Nobody reads it any more; an iteration under way throws `reason`. */
    cancel(reason?: Error): void;
}

/** How requests reach one API server, in the name of one user. Requests that get no answer reject with the plain cause. */
export interface ApiTransport {
    /** Its address, for messages. */
    readonly server: string;
    send(request: ApiRequest): Promise<ApiAnswer>;
    /** Lets go of what is kept between requests. */
    close(): void;
}
