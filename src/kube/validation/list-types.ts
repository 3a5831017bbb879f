// SPDX-License-Identifier: Apache-2.0
import { isRecord } from "../../core/json.ts";
import type { FieldError } from "../rest/status.ts";
import type { StructuralSchema } from "./structural.ts";

/** Adds what is wrong with a value to `errors`; the value is of the schema's types already. */
export type ListCheck = (value: unknown, path: string, errors: FieldError[]) => void;

/**
 * Checks lists that the schema calls sets or maps (`x-kubernetes-list-type`): no item, or no item's keys, may come twice.
 * @returns undefined when the schema has no such list, so that nothing is walked for it
 */
export function listCheck(schema: StructuralSchema): ListCheck | undefined {
    const own = ownCheck(schema);
    const items = isRecord(schema["items"]) ? listCheck(schema["items"]) : undefined;
    const more = isRecord(schema["additionalProperties"]) ? listCheck(schema["additionalProperties"]) : undefined;
    const properties = isRecord(schema["properties"]) ? schema["properties"] : {};
    const fields = new Map(
        Object.entries(properties).flatMap(([name, inner]) => {
            const check = isRecord(inner) ? listCheck(inner) : undefined;
            return check === undefined ? [] : [[name, check] as const];
        }),
    );
    if (own === undefined && items === undefined && more === undefined && fields.size === 0) return undefined;
    return (value, path, errors) => {
        if (Array.isArray(value)) {
            own?.(value, path, errors);
            for (const [index, item] of value.entries()) items?.(item, `${path}[${index}]`, errors);
        } else if (isRecord(value)) {
            for (const [name, inner] of Object.entries(value)) {
                const check = fields.get(name) ?? (Object.hasOwn(properties, name) ? undefined : more);
                check?.(inner, path === "" ? name : `${path}.${name}`, errors);
            }
        }
    };
}

function ownCheck(
    schema: StructuralSchema,
): ((list: readonly unknown[], path: string, errors: FieldError[]) => void) | undefined {
    const type = schema["x-kubernetes-list-type"];
    if (type !== "set" && type !== "map") return undefined;
    const keys = schema["x-kubernetes-list-map-keys"];
    const names = type === "map" && Array.isArray(keys) ? keys.map(String) : undefined;
    const items =
        isRecord(schema["items"]) && isRecord(schema["items"]["properties"]) ? schema["items"]["properties"] : {};
    const fallback = (name: string): unknown => (isRecord(items[name]) ? items[name]["default"] : undefined);
    const identity = (item: unknown): string =>
        JSON.stringify(
            names === undefined || !isRecord(item)
                ? item
                : Object.fromEntries(names.map((name) => [name, item[name] ?? fallback(name)])),
        );
    return (list, path, errors) => {
        const seen = new Set<string>();
        list.forEach((item, index) => {
            const one = identity(item);
            if (seen.has(one))
                errors.push({
                    reason: "FieldValueDuplicate",
                    field: `${path}[${index}]`,
                    detail: `Duplicate value: ${one}`,
                });
            seen.add(one);
        });
    };
}
