// SPDX-License-Identifier: Apache-2.0
import { expired } from "../rest/status.ts";
import type { WatchStart } from "./registry.ts";
import type { Change } from "./stored.ts";

/** The newest changes of one collection and those who follow it. */
export class EventWindow {
    readonly #limit: number;
    #changes: Change[] = [];
    /** Changes up to this revision are no longer kept. */
    #floor: number;
    readonly #watchers = new Set<WatchStart>();

    constructor(floor: number, limit: number) {
        this.#floor = floor;
        this.#limit = limit;
    }

    get watchers(): number {
        return this.#watchers.size;
    }

    push(change: Change): void {
        this.#changes.push(change);
        // Cutting half at once keeps the cost of a push constant.
        if (this.#changes.length > this.#limit * 2) {
            const dropped = this.#changes.length - this.#limit;
            this.#floor = this.#changes[dropped - 1]?.current.revision ?? this.#floor;
            this.#changes = this.#changes.slice(dropped);
        }
        for (const watcher of [...this.#watchers]) if (this.#watchers.has(watcher)) watcher.onChange(change);
    }

    watch(start: WatchStart): () => void {
        if (start.since < this.#floor) throw expired(`too old resource version: ${start.since} (${this.#floor})`);
        for (const change of this.#changes) if (change.current.revision > start.since) start.onChange(change);
        this.#watchers.add(start);
        return () => this.#watchers.delete(start);
    }

    /** Tells every watcher to list again (or, with `gone` false, that the server ends). */
    end(gone: boolean): void {
        const watchers = [...this.#watchers];
        this.#watchers.clear();
        for (const watcher of watchers) watcher.onEnd(gone);
    }
}
