// SPDX-License-Identifier: Apache-2.0
import { crossed, type PressureType, pressureOf, type Readings, type Threshold } from "./thresholds.ts";

/** What readings over time mean: grace periods of soft thresholds, and conditions that do not flap. */
export class PressureGauge {
    readonly #thresholds: readonly Threshold[];
    readonly #transitionMs: number;
    /** Since when a threshold has been crossed without a break. */
    readonly #since = new Map<Threshold, number>();
    readonly #lastMs = new Map<PressureType, number>();
    #active: ReadonlySet<PressureType> = new Set();

    constructor(thresholds: readonly Threshold[], transitionMs: number) {
        this.#thresholds = thresholds;
        this.#transitionMs = transitionMs;
    }

    /** Takes readings; answers the thresholds that call for action now. */
    observe(readings: Readings, nowMs: number): readonly Threshold[] {
        const now = crossed(this.#thresholds, readings);
        for (const threshold of this.#thresholds) {
            if (!now.includes(threshold)) this.#since.delete(threshold);
            else if (!this.#since.has(threshold)) this.#since.set(threshold, nowMs);
        }
        const due = now.filter((one) => nowMs - (this.#since.get(one) ?? nowMs) >= one.graceMs);
        this.#active = new Set(due.map(({ signal }) => pressureOf(signal)));
        for (const type of this.#active) this.#lastMs.set(type, nowMs);
        return due;
    }

    /** Conditions that are True: under pressure now, or less than the transition period ago. */
    pressures(nowMs: number): ReadonlySet<PressureType> {
        const held = [...this.#lastMs].filter(([, atMs]) => nowMs - atMs < this.#transitionMs);
        return new Set([...this.#active, ...held.map(([type]) => type)]);
    }
}
