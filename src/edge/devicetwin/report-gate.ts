// SPDX-License-Identifier: Apache-2.0
import type { Clock, Timer } from "../../core/clock.ts";
import type { PropertyInstance, ReportPolicySpec } from "../mappers/device-instance.ts";
import { field } from "../mappers/fields.ts";
import { formatValue } from "../mappers/values.ts";
import type { ReportedValue } from "../mappers/wire.ts";

/** When a reading is worth telling. Times in milliseconds. */
export interface ReportPolicy {
    /** Changes of no more than this are none. */
    readonly deadband: number;
    /** The same, in percent of the value last told. */
    readonly deadbandPercent: number;
    /** Whether the values are numbers, as text perhaps: dead-bands are for those. */
    readonly numeric: boolean;
    /** Not more often than this; of what comes in between the newest is told when the time is over. */
    readonly minIntervalMs: number;
    /** An unchanged value is told again after this long; 0: every time. */
    readonly refreshMs: number;
}

interface Told {
    value: unknown;
    atMs: number;
    held: ReportedValue | undefined;
}

const NUMBERS = new Set(["INT", "FLOAT", "DOUBLE"]);

/**
 * The policy of a property: what the Device's `reportPolicy` says, else what the visitor's configData says in
 * `reportDeadband`, `reportDeadbandPercent`, `reportMinInterval` and `reportMaxInterval`; `reportCycle` is a least interval.
 */
export function policyOf(property: PropertyInstance | undefined, refreshMs: number): ReportPolicy {
    const number = (key: string): number | undefined => {
        const given = Number(field(property?.visitor.configData, key) ?? Number.NaN);
        return Number.isFinite(given) && given >= 0 ? given : undefined;
    };
    const policy = property?.reportPolicy;
    return {
        numeric: property !== undefined && NUMBERS.has(property.type),
        deadband: policy?.deadBandAbsolute ?? number("reportDeadband") ?? 0,
        deadbandPercent: policy?.deadBandPercent ?? number("reportDeadbandPercent") ?? 0,
        minIntervalMs: policy?.minInterval ?? number("reportMinInterval") ?? property?.reportCycleMs ?? 0,
        refreshMs: policy?.maxInterval ?? number("reportMaxInterval") ?? unchangedMs(policy, refreshMs),
    };
}

/** How long an unchanged value is kept back when no longest interval is given. */
function unchangedMs(policy: ReportPolicySpec | undefined, refreshMs: number): number {
    if (policy?.onChange === undefined) return refreshMs;
    return policy.onChange ? Number.POSITIVE_INFINITY : 0;
}

/** Whether readings may have to wait, or be left out, although they differ from the last one. */
export function holdsBack({ deadband, deadbandPercent, minIntervalMs }: ReportPolicy): boolean {
    return deadband > 0 || deadbandPercent > 0 || minIntervalMs > 0;
}

/** Lets readings through as their policies say, before anything is written or sent for them. */
export class ReportGate {
    readonly #clock: Clock;
    readonly #release: (device: string, held: Record<string, ReportedValue>) => void;
    readonly #devices = new Map<string, Map<string, Told>>();
    readonly #dueMs = new Map<string, number>();
    #timer: Timer | undefined;

    /** `release` is called with readings whose interval is over. */
    constructor(clock: Clock, release: (device: string, held: Record<string, ReportedValue>) => void) {
        this.#clock = clock;
        this.#release = release;
    }

    /** True when the reading is to be told now. */
    admit(device: string, property: string, reading: ReportedValue, policy: ReportPolicy): boolean {
        const nowMs = this.#clock.monotonicMs();
        const told = this.#told(device, property);
        if (told.atMs === Number.NEGATIVE_INFINITY || reading.quality === "bad")
            return this.#tell(told, reading, nowMs);
        const sinceMs = nowMs - told.atMs;
        if (!changed(told.value, reading.value, policy) && sinceMs < policy.refreshMs) {
            told.held = undefined;
            return false;
        }
        if (sinceMs >= policy.minIntervalMs) return this.#tell(told, reading, nowMs);
        told.held = { ...reading, timestamp: reading.timestamp ?? this.#clock.nowMs() };
        const dueMs = told.atMs + policy.minIntervalMs;
        this.#dueMs.set(device, Math.min(this.#dueMs.get(device) ?? Number.POSITIVE_INFINITY, dueMs));
        this.#arm(dueMs);
        return false;
    }

    forget(device: string): void {
        this.#devices.delete(device);
        this.#dueMs.delete(device);
    }

    stop(): void {
        this.#timer?.cancel();
        this.#devices.clear();
    }

    #told(device: string, property: string): Told {
        let properties = this.#devices.get(device);
        if (properties === undefined) {
            properties = new Map();
            this.#devices.set(device, properties);
        }
        let told = properties.get(property);
        if (told === undefined) {
            told = { value: undefined, atMs: Number.NEGATIVE_INFINITY, held: undefined };
            properties.set(property, told);
        }
        return told;
    }

    #tell(told: Told, reading: ReportedValue, nowMs: number): boolean {
        told.held = undefined;
        // After a failed reading the next good one is news, whatever its value.
        told.atMs = reading.quality === "bad" ? Number.NEGATIVE_INFINITY : nowMs;
        told.value = reading.value;
        return true;
    }

    #arm(dueMs: number): void {
        if (this.#timer !== undefined) return;
        this.#timer = this.#clock.after(dueMs - this.#clock.monotonicMs(), () => {
            this.#timer = undefined;
            this.#releaseDue();
        });
    }

    #releaseDue(): void {
        const nowMs = this.#clock.monotonicMs();
        for (const [device, dueMs] of [...this.#dueMs]) {
            if (dueMs > nowMs) continue;
            this.#dueMs.delete(device);
            const held: Record<string, ReportedValue> = {};
            for (const [property, told] of this.#devices.get(device) ?? []) {
                if (told.held !== undefined) held[property] = told.held;
            }
            if (Object.keys(held).length > 0) this.#release(device, held);
        }
        const [next] = [...this.#dueMs.values()].sort((a, b) => a - b);
        if (next !== undefined) this.#arm(next);
    }
}

function changed(before: unknown, now: unknown, { deadband, deadbandPercent, numeric }: ReportPolicy): boolean {
    if (deadband > 0 || deadbandPercent > 0) {
        const [last, current] = [numberOf(before, numeric), numberOf(now, numeric)];
        const band = Math.max(deadband, (Math.abs(last) * deadbandPercent) / 100);
        if (!Number.isNaN(last) && !Number.isNaN(current)) return Math.abs(current - last) > band;
    }
    return formatValue(before) !== formatValue(now);
}

function numberOf(value: unknown, numeric: boolean): number {
    if (typeof value === "number" || typeof value === "bigint") return Number(value);
    return numeric && typeof value === "string" && value.trim() !== "" ? Number(value) : Number.NaN;
}
