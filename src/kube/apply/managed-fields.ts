// SPDX-License-Identifier: Apache-2.0
import { asRecords, asText } from "../../core/json.ts";
import type { KubeObject } from "../types.ts";
import { FieldSet } from "./field-set.ts";

/** What one manager owns of an object (one entry of metadata.managedFields). */
export interface ManagedEntry {
    readonly manager: string;
    readonly operation: "Apply" | "Update";
    readonly apiVersion: string;
    readonly time: string;
    readonly subresource: string | undefined;
    readonly fields: FieldSet;
}

export function readManaged(object: KubeObject): ManagedEntry[] {
    return asRecords(object.metadata["managedFields"]).map((entry) => ({
        manager: asText(entry["manager"]) ?? "unknown",
        operation: entry["operation"] === "Apply" ? "Apply" : "Update",
        apiVersion: asText(entry["apiVersion"]) ?? object.apiVersion,
        time: asText(entry["time"]) ?? "",
        subresource: asText(entry["subresource"]),
        fields: FieldSet.fromFieldsV1(entry["fieldsV1"]),
    }));
}

/** The object with its managedFields replaced; entries that own nothing are left out. */
export function withManaged(object: KubeObject, entries: readonly ManagedEntry[]): KubeObject {
    const managedFields = entries
        .filter((entry) => !entry.fields.empty)
        .map(({ manager, operation, apiVersion, time, subresource, fields }) => ({
            manager,
            operation,
            apiVersion,
            time,
            fieldsType: "FieldsV1",
            fieldsV1: fields.toFieldsV1(),
            ...(subresource === undefined ? {} : { subresource }),
        }));
    const metadata = { ...object.metadata };
    if (managedFields.length === 0) delete metadata["managedFields"];
    else metadata["managedFields"] = managedFields;
    return { ...object, metadata };
}

/** Fields nobody owns: they say which object it is, or the server sets them. */
const UNOWNED: readonly (readonly string[])[] = [
    ["f:apiVersion"],
    ["f:kind"],
    ...[
        "name",
        "namespace",
        "generateName",
        "uid",
        "resourceVersion",
        "generation",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "managedFields",
        "selfLink",
    ].map((name) => ["f:metadata", `f:${name}`]),
];

const unowned = new FieldSet();
for (const path of UNOWNED) {
    let set = unowned;
    for (const element of path) set = set.child(element);
    set.self = true;
}

/** Leaves out what nobody owns, whatever is below it. */
export function ownable(fields: FieldSet): FieldSet {
    const result = new FieldSet();
    result.self = fields.self;
    for (const [key, child] of fields.children) {
        const stripped = key === "f:metadata" ? withoutChildren(child, unowned.children.get(key)) : child;
        if (!unowned.children.get(key)?.self && !stripped.empty) result.children.set(key, stripped);
    }
    return result;
}

function withoutChildren(fields: FieldSet, names: FieldSet | undefined): FieldSet {
    const result = new FieldSet();
    for (const [key, child] of fields.children)
        if (names?.children.get(key) === undefined) result.children.set(key, child);
    return result;
}
