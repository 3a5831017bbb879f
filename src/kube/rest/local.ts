// SPDX-License-Identifier: Apache-2.0
import { IncomingMessage, type OutgoingHttpHeader, ServerResponse } from "node:http";
import { Socket } from "node:net";
import type { WatchEvent } from "../client/client.ts";
import type { ApiAnswer, ApiRequest } from "../client/transport.ts";

/** What requests of this process have for a socket: never connected, and nothing is ever written to it. */
const nowhere = new Socket();

/** A request made within this process, in the form in which requests arrive from outside. */
export class LocalRequest extends IncomingMessage {
    /** The body, for those who know that it need not be read. */
    readonly text: string;

    constructor({ method, path, body, contentType }: ApiRequest) {
        super(nowhere);
        this.method = method;
        this.url = path;
        this.headers = { accept: "application/json", "user-agent": "redge" };
        if (body !== undefined) this.headers["content-type"] = contentType ?? "application/json";
        this.text = body ?? "";
    }

    override _read(): void {
        if (this.text !== "") this.push(this.text);
        this.push(null);
        this.complete = true;
    }
}

type Part = string | WatchEvent;

/** The answer to such a request: what is written to it is read by who asked, without a connection in between. */
export class LocalResponse extends ServerResponse<LocalRequest> implements ApiAnswer {
    override headersSent = false;
    override writableEnded = false;
    readonly #head: () => void;
    readonly #parts: Part[] = [];
    #failure: Error | undefined;
    #wake: () => void = () => {};

    /** `head` is called when status and headers are known. */
    constructor(request: LocalRequest, head: () => void) {
        super(request);
        this.#head = head;
    }

    get code(): number {
        return this.statusCode;
    }

    get retryAfterS(): number {
        return Number(this.getHeader("retry-after"));
    }

    /** An event of a watch as it is: who asked shares the object, and never changes it. */
    event(event: WatchEvent): void {
        this.#put(event);
    }

    async text(): Promise<string> {
        while (!this.writableEnded) await this.#more();
        if (this.#failure !== undefined) throw this.#failure;
        return this.#parts.join("");
    }

    async *events(): AsyncGenerator<WatchEvent, void, undefined> {
        for (;;) {
            for (const part of this.#parts.splice(0)) {
                if (typeof part !== "string") yield part;
                else for (const line of part.split("\n")) if (line !== "") yield JSON.parse(line) as WatchEvent;
            }
            if (this.#parts.length > 0) continue;
            if (this.#failure !== undefined) throw this.#failure;
            if (this.writableEnded) return;
            await this.#more();
        }
    }

    cancel(reason?: Error): void {
        this.#finish(reason);
    }

    override writeHead(code: number, ...rest: unknown[]): this {
        this.statusCode = code;
        const headers = rest.at(-1) as Record<string, OutgoingHttpHeader> | undefined;
        for (const [name, value] of Object.entries(headers ?? {})) this.setHeader(name, value);
        this.flushHeaders();
        return this;
    }

    override flushHeaders(): void {
        if (this.headersSent) return;
        this.headersSent = true;
        this.#head();
    }

    override write(chunk: unknown, ...rest: unknown[]): boolean {
        this.flushHeaders();
        this.#put(textOf(chunk));
        callLast(rest);
        return true;
    }

    override end(chunk?: unknown, ...rest: unknown[]): this {
        this.flushHeaders();
        if (typeof chunk === "string" || chunk instanceof Uint8Array) this.#put(textOf(chunk));
        this.#finish(undefined);
        callLast([chunk, ...rest]);
        return this;
    }

    /** The answer is broken off half way. */
    override destroy(error?: Error): this {
        this.cancel(error ?? new Error("the answer was broken off"));
        return this;
    }

    #put(part: Part): void {
        if (this.writableEnded) return;
        this.#parts.push(part);
        this.#wake();
    }

    #finish(failure: Error | undefined): void {
        if (this.writableEnded) return;
        this.writableEnded = true;
        this.#failure = failure;
        this.#wake();
        // By this, what still answers learns that nobody reads any more.
        this.emit("close");
    }

    #more(): Promise<void> {
        return new Promise((resolve) => {
            this.#wake = resolve;
        });
    }
}

function textOf(chunk: unknown): string {
    return typeof chunk === "string" ? chunk : Buffer.from(chunk as Uint8Array).toString("utf8");
}

/** Writers may hand a callback behind what they write. */
function callLast(given: readonly unknown[]): void {
    const last = given.at(-1);
    if (typeof last === "function") queueMicrotask(() => last());
}
