// SPDX-License-Identifier: Apache-2.0
import { RedgeError } from "../../../core/errors/redge-error.ts";
import { parseQuantity } from "../../../kube/quantity.ts";

/** What is watched, by the kubelet's names. `nodefs` holds volumes and logs, `imagefs` the engine's images. */
export const SIGNALS = [
    "memory.available",
    "nodefs.available",
    "nodefs.inodesFree",
    "imagefs.available",
    "imagefs.inodesFree",
    "pid.available",
] as const;
export type Signal = (typeof SIGNALS)[number];

/** Bytes, inodes or processes. */
export interface Reading {
    readonly available: number;
    readonly capacity: number;
}

export type Readings = Readonly<Partial<Record<Signal, Reading>>>;

export type PressureType = "MemoryPressure" | "DiskPressure" | "PIDPressure";

export interface Threshold {
    readonly signal: Signal;
    /** As configured: "100Mi", "10%". */
    readonly text: string;
    /** 0: hard, acts at once and leaves pods no time. */
    readonly graceMs: number;
    /** The least that must be available of that capacity. */
    least(capacity: number): number;
}

/** The kubelet's own for memory and disks; process ids, for which it has none, are watched too. */
export const DEFAULT_HARD =
    "memory.available<100Mi,nodefs.available<10%,nodefs.inodesFree<5%,imagefs.available<15%,imagefs.inodesFree<5%,pid.available<1%";

/**
 * Reads "memory.available<100Mi,nodefs.available<10%" and, for soft ones, their grace periods
 * "memory.available=1m30s". "0%" turns a signal off.
 * @throws REDGE_CONFIG_INVALID
 */
export function parseThresholds(hard: string, soft: string, graces: string): readonly Threshold[] {
    const graceOf = new Map(
        pairs(graces).map((pair) => {
            const [signal = "", text = ""] = pair.split("=").map((part) => part.trim());
            const graceMs = parseDuration(text);
            if (graceMs === undefined) throw invalid("evictionSoftGracePeriod", `"${pair}" has no time such as 1m30s`);
            return [signal, graceMs];
        }),
    );
    const softOnes = pairs(soft).map((pair) => {
        const signal = pair.split("<")[0]?.trim() ?? "";
        const graceMs = graceOf.get(signal);
        if (graceMs === undefined) throw invalid("evictionSoftGracePeriod", `has no time for ${signal}`);
        return threshold("evictionSoft", pair, graceMs);
    });
    return [...pairs(hard).map((pair) => threshold("evictionHard", pair, 0)), ...softOnes].flat();
}

function threshold(field: string, pair: string, graceMs: number): readonly Threshold[] {
    const [name, text, ...more] = pair.split("<").map((part) => part.trim());
    const signal = SIGNALS.find((one) => one === name);
    if (signal === undefined) throw invalid(field, `"${name}" is none of ${SIGNALS.join(", ")}`);
    const share = /^(\d+(?:\.\d+)?)%$/.exec(text ?? "")?.[1];
    const quantity = share === undefined ? parseQuantity(text) : Number(share) / 100;
    if (text === undefined || more.length > 0 || quantity === undefined || quantity < 0 || (share && quantity > 1)) {
        throw invalid(field, `"${pair}" is not like memory.available<100Mi or nodefs.available<10%`);
    }
    if (quantity === 0) return [];
    const least = (capacity: number): number => (share === undefined ? quantity : capacity * quantity);
    return [{ signal, text, graceMs, least }];
}

/** Go's durations: "90s", "1m30s", "2h", in milliseconds. */
export function parseDuration(text: string): number | undefined {
    const match = /^(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?$/.exec(text);
    if (match === null || text === "") return undefined;
    const [hours, minutes, seconds] = match.slice(1).map((part) => Number(part ?? 0));
    return (((hours ?? 0) * 60 + (minutes ?? 0)) * 60 + (seconds ?? 0)) * 1000;
}

/** Thresholds that the readings fall short of. */
export function crossed(thresholds: readonly Threshold[], readings: Readings): readonly Threshold[] {
    return thresholds.filter(({ signal, least }) => {
        const reading = readings[signal];
        return reading !== undefined && reading.available < least(reading.capacity);
    });
}

/** What is kept back from pods of that signal's capacity. */
export function keptBack(thresholds: readonly Threshold[], signal: Signal, capacity: number): number {
    const hard = thresholds.filter((one) => one.signal === signal && one.graceMs === 0);
    return Math.max(0, ...hard.map(({ least }) => least(capacity)));
}

export function pressureOf(signal: Signal): PressureType {
    if (signal === "memory.available") return "MemoryPressure";
    return signal === "pid.available" ? "PIDPressure" : "DiskPressure";
}

function pairs(text: string): readonly string[] {
    return text
        .split(",")
        .map((pair) => pair.trim())
        .filter((pair) => pair !== "");
}

function invalid(field: string, reason: string): RedgeError {
    return new RedgeError("REDGE_CONFIG_INVALID", { field, reason });
}
