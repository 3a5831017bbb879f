// SPDX-License-Identifier: Apache-2.0
import { cloneJson } from "../../core/clone.ts";
import { isRecord, type JsonRecord } from "../../core/json.ts";

/** The schema of a custom resource version (apiextensions.k8s.io/v1 JSONSchemaProps, structural). */
export type StructuralSchema = JsonRecord;

const at = (path: string, key: string): string => (path === "" ? key : `${path}.${key}`);
const preserves = (schema: StructuralSchema): boolean => schema["x-kubernetes-preserve-unknown-fields"] === true;
const propertiesOf = (schema: StructuralSchema): JsonRecord =>
    isRecord(schema["properties"]) ? schema["properties"] : {};
const schemaAt = (holder: JsonRecord, key: string): StructuralSchema | undefined => {
    const found = Object.hasOwn(holder, key) ? holder[key] : undefined;
    return isRecord(found) ? found : undefined;
};

/** Schemas of an object's fields: its properties, else what additionalProperties says. */
function fieldSchema(schema: StructuralSchema, key: string): StructuralSchema | undefined {
    return schemaAt(propertiesOf(schema), key) ?? schemaAt(schema, "additionalProperties");
}

const EMBEDDED = new Set(["apiVersion", "kind", "metadata"]);

/**
 * Removes fields the schema does not specify, in place, and answers their paths.
 * @param isRoot apiVersion, kind and metadata belong to every object
 */
export function pruneUnknown(schema: StructuralSchema, value: unknown, path = "", isRoot = true): string[] {
    if (Array.isArray(value)) {
        const items = schemaAt(schema, "items");
        return items === undefined
            ? []
            : value.flatMap((inner, index) => pruneUnknown(items, inner, `${path}[${index}]`, false));
    }
    if (!isRecord(value)) return [];
    const unknown: string[] = [];
    const open = preserves(schema) || schema["additionalProperties"] === true;
    const embedded = isRoot || schema["x-kubernetes-embedded-resource"] === true;
    for (const [key, inner] of Object.entries(value)) {
        if (embedded && EMBEDDED.has(key)) continue;
        const field = fieldSchema(schema, key);
        if (field !== undefined) unknown.push(...pruneUnknown(field, inner, at(path, key), false));
        else if (!open) {
            delete value[key];
            unknown.push(at(path, key));
        }
    }
    return unknown;
}

/** Fills defaults, in place; a null where null is not allowed counts as absent. */
export function applyDefaults(schema: StructuralSchema, value: unknown): void {
    if (Array.isArray(value)) {
        const items = schemaAt(schema, "items");
        if (items !== undefined) for (const inner of value) applyDefaults(items, inner);
        return;
    }
    if (!isRecord(value)) return;
    for (const [key, raw] of Object.entries(propertiesOf(schema))) {
        if (!isRecord(raw)) continue;
        const hasDefault = raw["default"] !== undefined;
        if (value[key] === null && raw["nullable"] !== true && (hasDefault || raw["type"] !== undefined))
            delete value[key];
        if (value[key] === undefined && hasDefault) value[key] = cloneJson(raw["default"]);
    }
    for (const [key, inner] of Object.entries(value)) {
        const field = fieldSchema(schema, key);
        if (field !== undefined) applyDefaults(field, inner);
    }
}
