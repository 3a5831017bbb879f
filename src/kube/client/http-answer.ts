// SPDX-License-Identifier: Apache-2.0
import type { IncomingMessage } from "node:http";
import type { Clock } from "../../core/clock.ts";
import type { WatchEvent } from "./client.ts";
import type { ApiAnswer } from "./transport.ts";

/** An answer that arrives over HTTP. */
export class HttpAnswer implements ApiAnswer {
    readonly #response: IncomingMessage;
    readonly #clock: Clock;

    constructor(response: IncomingMessage, clock: Clock) {
        this.#response = response;
        this.#clock = clock;
    }

    get code(): number {
        return this.#response.statusCode ?? 0;
    }

    get retryAfterS(): number {
        return Number(this.#response.headers["retry-after"]);
    }

    /** By events: an iterator over the stream costs as much again as the parser's whole work on a short answer. */
    text(withinMs: number): Promise<string> {
        const response = this.#response;
        return new Promise((resolve, reject) => {
            const guard = this.#clock.after(withinMs, () => {
                response.destroy(new Error("the answer stopped half way"));
            });
            let text = "";
            response.setEncoding("utf8");
            response.on("data", (chunk: string) => {
                text += chunk;
            });
            response.on("error", (failure) => {
                guard.cancel();
                reject(failure);
            });
            response.on("end", () => {
                guard.cancel();
                resolve(text);
            });
            // After "end" and "error" this says nothing any more.
            response.on("close", () => {
                guard.cancel();
                reject(new Error("the answer stopped half way"));
            });
        });
    }

    async *events(): AsyncGenerator<WatchEvent, void, undefined> {
        this.#response.setEncoding("utf8");
        let rest = "";
        for await (const chunk of this.#response) {
            const parts = (rest + (chunk as string)).split("\n");
            rest = parts.pop() ?? "";
            for (const part of parts) if (part !== "") yield JSON.parse(part) as WatchEvent;
        }
        // What is left without its line end was cut off: the next watch sends it whole.
    }

    cancel(reason?: Error): void {
        this.#response.destroy(reason);
    }
}
