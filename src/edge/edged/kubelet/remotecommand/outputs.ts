// SPDX-License-Identifier: Apache-2.0
import { finished, type Writable } from "node:stream";
import { type Clock, sleep } from "../../../../core/clock.ts";

/** How a command's outputs came to their end. */
export type OutputsEnd = "complete" | "left-open" | "stuck";

/** So often it is looked whether anything moves, once the command has ended. */
const LOOK_MS = 2_000;
/** A client that takes nothing of what waits for it is given up after this time. */
const STUCK_MS = 600_000;

/** A command's outputs on their way to the client, each as fast as the client takes it. */
export class Outputs {
    readonly #clock: Clock;
    readonly #targets: Writable[] = [];
    readonly #sources = new Map<NodeJS.ReadableStream, Writable>();
    readonly #flushed: Promise<void>[] = [];
    #readBytes = 0;

    constructor(clock: Clock) {
        this.#clock = clock;
    }

    /** Without a target what comes is thrown away, so that the command is not held up. */
    add(source: NodeJS.ReadableStream | undefined, target: Writable | undefined): void {
        source?.on("error", () => {}); // The command's exit tells.
        if (source === undefined || target === undefined) {
            source?.resume();
            return;
        }
        source.on("data", (chunk: Buffer) => {
            this.#readBytes += chunk.length;
        });
        finished(source, { writable: false }, (error) => {
            // A source that broke ends nothing by itself.
            if (error) target.end();
        });
        source.pipe(target);
        this.#sources.set(source, target);
        this.#targets.push(target);
        this.#flushed.push(
            new Promise((resolve) => {
                finished(target, { readable: false }, () => resolve());
            }),
        );
    }

    /**
     * Resolves when everything the command wrote has been handed to the client's connection. A slow client is waited
     * for as long as it takes something; an output that a child left open behind the command only while it says more.
     */
    async settled(): Promise<OutputsEnd> {
        const all = Promise.all(this.#flushed).then(() => true);
        let idleMs = 0;
        for (;;) {
            const before = this.#takenBytes();
            const over = new AbortController();
            const isComplete = await Promise.race([all, sleep(this.#clock, LOOK_MS, over.signal).then(() => false)]);
            over.abort();
            if (isComplete) return "complete";
            idleMs = this.#takenBytes() === before ? idleMs + LOOK_MS : 0;
            if (this.#waitingBytes() > 0) {
                if (idleMs >= STUCK_MS) return "stuck";
            } else if (idleMs > 0) {
                this.#cut();
                await all;
                return "left-open";
            }
        }
    }

    #cut(): void {
        for (const [source, target] of this.#sources) {
            source.unpipe(target);
            target.end();
        }
    }

    #takenBytes(): number {
        return this.#readBytes - this.#waitingBytes();
    }

    #waitingBytes(): number {
        return this.#targets.reduce((sum, { writableLength }) => sum + writableLength, 0);
    }
}
