// SPDX-License-Identifier: Apache-2.0
import type { KubeObject } from "../types.ts";

export type Cell = string | number | boolean | null;

/** One column of `kubectl get`. */
export interface Column {
    readonly name: string;
    readonly type: "string" | "integer" | "number" | "boolean" | "date";
    /** 0: always shown; above: with -o wide. */
    readonly priority: number;
    readonly description?: string;
    readonly format?: string;
    value(object: KubeObject, nowMs: number): Cell;
}

/** metav1.Table without its rows. */
export function tableHeader(columns: readonly Column[]): readonly Record<string, unknown>[] {
    return columns.map(({ name, type, priority, description, format }) => ({
        name,
        type,
        format: format ?? (name === "Name" ? "name" : ""),
        description: description ?? "",
        priority,
    }));
}

/** One row as JSON text. `objectJson` is what the client asked to have beside the cells, or "null". */
export function tableRow(columns: readonly Column[], object: KubeObject, objectJson: string, nowMs: number): string {
    const cells = columns.map((column) => column.value(object, nowMs));
    return `{"cells":${JSON.stringify(cells)},"object":${objectJson}}`;
}

/** A duration as kubectl shows ages: "45s", "3m12s", "5h", "3d4h", "2y". */
export function humanDuration(ms: number): string {
    const seconds = Math.floor(ms / 1000);
    if (seconds < -1) return "<invalid>";
    if (seconds < 120) return `${Math.max(0, seconds)}s`;
    const minutes = Math.floor(seconds / 60);
    if (minutes < 10) return pair(minutes, "m", seconds % 60, "s");
    if (minutes < 180) return `${minutes}m`;
    const hours = Math.floor(minutes / 60);
    if (hours < 8) return pair(hours, "h", minutes % 60, "m");
    if (hours < 48) return `${hours}h`;
    const days = Math.floor(hours / 24);
    if (days < 8) return pair(days, "d", hours % 24, "h");
    if (days < 365 * 2) return `${days}d`;
    const years = Math.floor(days / 365);
    return years < 8 ? pair(years, "y", days % 365, "d") : `${years}y`;
}

const pair = (large: number, unit: string, small: number, smallUnit: string): string =>
    small === 0 ? `${large}${unit}` : `${large}${unit}${small}${smallUnit}`;

/** The age of a timestamp, "<unknown>" when there is none. */
export function age(timestamp: unknown, nowMs: number): string {
    const ms = typeof timestamp === "string" ? Date.parse(timestamp) : Number.NaN;
    return Number.isNaN(ms) ? "<unknown>" : humanDuration(nowMs - ms);
}

export const nameColumn: Column = {
    name: "Name",
    type: "string",
    priority: 0,
    format: "name",
    value: (object) => object.metadata.name,
};

export const ageColumn: Column = {
    name: "Age",
    type: "string",
    priority: 0,
    value: (object, nowMs) => age(object.metadata.creationTimestamp, nowMs),
};

/** For kinds without columns of their own, as the real API server shows them. */
export const createdAtColumn: Column = {
    name: "Created At",
    type: "date",
    priority: 0,
    value: (object) => object.metadata.creationTimestamp ?? null,
};

export const defaultColumns: readonly Column[] = [nameColumn, ageColumn];
