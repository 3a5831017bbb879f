// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "../../../../core/clock.ts";
import type { KubeObject } from "../../../../kube/types.ts";

/** An event that has not come after this long will not come: the cache was listed anew meanwhile. */
const FORGET_MS = 60_000;

/**
 * What a controller has done and its cache does not show yet. Without it a controller that looks again before its own
 * writes have come back would make the same pod twice.
 */
export class Expectations {
    readonly #clock: Clock;
    readonly #pending = new Map<string, Map<string, number>>();

    constructor(clock: Clock) {
        this.#clock = clock;
    }

    /** `owner` made `object`; it is expected to appear. */
    created(owner: string, object: KubeObject): void {
        this.#expect(owner, `+${object.metadata.uid}`);
    }

    /** `owner` deleted `object`; it is expected to be marked or to go. */
    deleted(owner: string, object: KubeObject): void {
        this.#expect(owner, `-${object.metadata.uid}`);
    }

    /** The cache showed `object`. */
    seen(owner: string, object: KubeObject): void {
        this.#pending.get(owner)?.delete(`+${object.metadata.uid}`);
        if (object.metadata.deletionTimestamp !== undefined) this.gone(owner, object);
    }

    /** The cache showed that `object` is gone, or going. */
    gone(owner: string, object: KubeObject): void {
        this.#pending.get(owner)?.delete(`-${object.metadata.uid}`);
        this.#pending.get(owner)?.delete(`+${object.metadata.uid}`);
    }

    /** Milliseconds after which to look again when something is still expected, else undefined. */
    pendingMs(owner: string): number | undefined {
        const pending = this.#pending.get(owner);
        if (pending === undefined) return undefined;
        const nowMs = this.#clock.monotonicMs();
        for (const [what, sinceMs] of pending) if (nowMs - sinceMs >= FORGET_MS) pending.delete(what);
        if (pending.size > 0) return FORGET_MS;
        this.#pending.delete(owner);
        return undefined;
    }

    /** `owner` is no more. */
    forget(owner: string): void {
        this.#pending.delete(owner);
    }

    #expect(owner: string, what: string): void {
        let pending = this.#pending.get(owner);
        if (pending === undefined) {
            pending = new Map();
            this.#pending.set(owner, pending);
        }
        pending.set(what, this.#clock.monotonicMs());
    }
}
