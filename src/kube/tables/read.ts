// SPDX-License-Identifier: Apache-2.0
import { asRecord, asRecords, type JsonRecord } from "../../core/json.ts";
import type { KubeObject } from "../types.ts";
import { age, type Cell, type Column } from "./table.ts";

/** Readers for columns: an absent or oddly typed field reads as nothing. */

export const specOf = (object: KubeObject): JsonRecord => asRecord(object["spec"]);
export const statusOf = (object: KubeObject): JsonRecord => asRecord(object["status"]);
export const text = (value: unknown, otherwise = ""): string =>
    value === undefined || value === null || value === "" ? otherwise : String(value);
export const count = (value: unknown): number => (typeof value === "number" ? value : 0);
export const none = (parts: readonly string[]): string => (parts.length === 0 ? "<none>" : parts.join(","));

/** A metav1.LabelSelector in short: "a=b,c in (d,e)". */
export function selectorText(selector: unknown): string {
    const { matchLabels, matchExpressions } = asRecord(selector);
    const parts = pairs(matchLabels);
    for (const { key, operator, values } of asRecords(matchExpressions)) {
        const list = Array.isArray(values) ? values.join(",") : "";
        if (operator === "In") parts.push(`${text(key)} in (${list})`);
        else if (operator === "NotIn") parts.push(`${text(key)} notin (${list})`);
        else parts.push(operator === "Exists" ? text(key) : `!${text(key)}`);
    }
    return none(parts);
}

export const pairs = (map: unknown): string[] =>
    Object.entries(asRecord(map)).map(([key, value]) => `${key}=${text(value)}`);

export const templateContainers = (object: KubeObject): readonly JsonRecord[] =>
    asRecords(asRecord(asRecord(specOf(object)["template"])["spec"])["containers"]);

type Reader = (object: KubeObject, nowMs: number) => Cell;

export const stringColumn = (name: string, value: Reader, priority = 0): Column => ({
    name,
    type: "string",
    priority,
    value,
});
export const numberColumn = (name: string, value: Reader, priority = 0): Column => ({
    name,
    type: "integer",
    priority,
    value,
});
export const sinceColumn = (name: string, value: (object: KubeObject) => unknown): Column =>
    stringColumn(name, (object, nowMs) => age(value(object), nowMs));

/** The columns that every workload with a pod template shows with -o wide. */
export const templateColumns: readonly Column[] = [
    stringColumn(
        "Containers",
        (object) =>
            templateContainers(object)
                .map(({ name }) => text(name))
                .join(","),
        1,
    ),
    stringColumn(
        "Images",
        (object) =>
            templateContainers(object)
                .map(({ image }) => text(image))
                .join(","),
        1,
    ),
    stringColumn("Selector", (object) => selectorText(specOf(object)["selector"]), 1),
];
