// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "../../core/clock.ts";
import type { ComponentState } from "../../core/component.ts";

interface Figures {
    readonly online: number;
    readonly known: number;
    readonly queued: number;
}

/** How long something unusual keeps the status line yellow. */
const UNUSUAL_MS = 10_000;

/** Turns figures into the node's status, telling only what changed. */
export class StatusLine {
    readonly #clock: Clock;
    readonly #report: (state: ComponentState) => void;
    readonly #sinceMs: number;
    #told = "";
    #lack: string | undefined;
    #dropped = 0;
    #throttledMs = Number.NEGATIVE_INFINITY;
    #stopped = false;

    constructor(clock: Clock, report: (state: ComponentState) => void) {
        this.#clock = clock;
        this.#report = report;
        this.#sinceMs = clock.nowMs();
    }

    note(what: "dropped" | "throttled"): void {
        if (what === "dropped") this.#dropped += 1;
        else this.#throttledMs = this.#clock.monotonicMs();
    }

    /** Something that was asked for does not work: the status stays yellow and says so. */
    lack(reason: string): void {
        this.#lack = reason;
    }

    /**
     * `edges`: "{online}/{known} edges since {since}, {queued} queued, {dropped} dropped"; `flooded` when one is held
     * back; `lacking` with the {reason}.
     */
    tell({ online, known, queued }: Figures): void {
        const flooded = this.#clock.monotonicMs() - this.#throttledMs < UNUSUAL_MS;
        const since = new Date(this.#sinceMs).toISOString();
        const lacking = this.#lack === undefined ? {} : { reason: this.#lack };
        const params = { online, known, queued, dropped: this.#dropped, since, ...lacking };
        const told = `${flooded} ${JSON.stringify(params)}`;
        if (told === this.#told || this.#stopped) return;
        this.#told = told;
        const text = flooded ? "flooded" : this.#lack === undefined ? "edges" : "lacking";
        this.#report({ level: text === "edges" ? "ready" : "busy", text, params });
    }

    stop(): void {
        this.#stopped = true;
    }
}
