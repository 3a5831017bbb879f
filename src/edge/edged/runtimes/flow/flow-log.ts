// SPDX-License-Identifier: Apache-2.0
import { appendFileSync, existsSync, mkdirSync, renameSync, rmSync, statSync } from "node:fs";
import { dirname } from "node:path";
import type { Clock } from "../../../../core/clock.ts";

/** Kubelet's containerLogMaxSize is 10 Mi x 5; flows say less. */
const MAX_BYTES = 5 * 2 ** 20;

/**
 * Writes a container's log in the CRI format, one line a record: time stamp, stream, F, text. Lines are gathered for a
 * moment and written together, because a chatty flow must not pay a system call a line.
 */
export class FlowLogWriter {
    readonly path: string;
    readonly #clock: Clock;
    #pending: string[] = [];
    #bytes: number | undefined;
    #serial = 0;
    #lastMs = 0;

    constructor(path: string, clock: Clock) {
        this.path = path;
        this.#clock = clock;
    }

    write(stream: "stdout" | "stderr", text: string): void {
        for (const line of text.split("\n")) this.#pending.push(`${this.#stamp()} ${stream} F ${line}\n`);
        if (this.#pending.length === 1 || this.#pending.length > 256) this.#schedule();
    }

    flush(): void {
        if (this.#pending.length === 0) return;
        const text = this.#pending.join("");
        this.#pending = [];
        if (this.#bytes === undefined) {
            mkdirSync(dirname(this.path), { recursive: true });
            this.#bytes = existsSync(this.path) ? statSync(this.path).size : 0;
        }
        if (this.#bytes > MAX_BYTES) this.#rotate();
        appendFileSync(this.path, text);
        this.#bytes += Buffer.byteLength(text);
    }

    #schedule(): void {
        if (this.#pending.length > 256) this.flush();
        else setImmediate(() => this.flush());
    }

    #rotate(): void {
        rmSync(`${this.path}.1`, { force: true });
        renameSync(this.path, `${this.path}.1`);
        this.#bytes = 0;
    }

    /** RFC 3339 with nanoseconds; lines of one millisecond keep their order. */
    #stamp(): string {
        const nowMs = this.#clock.nowMs();
        this.#serial = nowMs === this.#lastMs ? this.#serial + 1 : 0;
        this.#lastMs = nowMs;
        const fraction = String(this.#serial % 1_000_000).padStart(6, "0");
        return new Date(nowMs).toISOString().replace("Z", `${fraction}Z`);
    }
}
