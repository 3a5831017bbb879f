// SPDX-License-Identifier: Apache-2.0
import { isDeepStrictEqual } from "node:util";
import { isRecord, type JsonRecord } from "../../core/json.ts";
import type { RawSchema, Schema } from "../openapi/schema.ts";
import { FieldSet } from "./field-set.ts";

/** How a value is owned: as a whole, field by field, or element by element. */
type Shape =
    | { readonly form: "atomic" }
    | { readonly form: "fields"; readonly of: (name: string) => Place }
    | { readonly form: "elements"; readonly keys: readonly string[]; readonly item: Schema | undefined }
    | { readonly form: "set" };

/** A schema with what the property that holds it says about merging. */
export interface Place {
    readonly schema: Schema | undefined;
    readonly raw: RawSchema | undefined;
}

const ATOMIC: Shape = { form: "atomic" };

function shapeOf({ schema, raw }: Place, value: unknown): Shape {
    const own = schema?.raw;
    const says = (key: string): unknown => raw?.[key] ?? own?.[key];
    if (Array.isArray(value)) {
        const keys = says("x-kubernetes-list-map-keys") ?? says("x-kubernetes-patch-merge-key");
        const type = says("x-kubernetes-list-type");
        if (type === "atomic") return ATOMIC;
        if (keys !== undefined && type !== "set") {
            return {
                form: "elements",
                keys: Array.isArray(keys) ? keys.map(String) : [String(keys)],
                item: schema?.items,
            };
        }
        return type === "set" || says("x-kubernetes-patch-strategy") === "merge" ? { form: "set" } : ATOMIC;
    }
    if (!isRecord(value) || says("x-kubernetes-map-type") === "atomic") return ATOMIC;
    return {
        form: "fields",
        of: (name) =>
            schema?.type === "map"
                ? { schema: schema.items, raw: undefined }
                : { schema: schema?.property(name), raw: schema?.rawProperty(name) },
    };
}

/** Keys a client may leave out of a list element, with what is meant then. */
const KEY_DEFAULTS: Readonly<Record<string, unknown>> = { protocol: "TCP" };

function elementKey(item: unknown, keys: readonly string[]): string {
    const of = isRecord(item) ? item : {};
    return `k:${JSON.stringify(Object.fromEntries([...keys].sort().map((key) => [key, of[key] ?? KEY_DEFAULTS[key] ?? null])))}`;
}

const setKey = (item: unknown): string => `v:${JSON.stringify(item)}`;

/** Every field that a value sets. */
export function fieldsOf(value: unknown, place: Place): FieldSet {
    const set = new FieldSet();
    const shape = shapeOf(place, value);
    if (shape.form === "fields") {
        const entries = Object.entries(value as JsonRecord);
        set.self = entries.length === 0;
        for (const [name, inner] of entries) set.children.set(`f:${name}`, fieldsOf(inner, shape.of(name)));
    } else if (shape.form === "elements") {
        const items = value as readonly unknown[];
        set.self = items.length === 0;
        for (const item of items) {
            const fields = fieldsOf(item, { schema: shape.item, raw: undefined });
            fields.self = true;
            set.children.set(elementKey(item, shape.keys), fields);
        }
    } else if (shape.form === "set") {
        for (const item of value as readonly unknown[]) set.child(setKey(item)).self = true;
    } else set.self = true;
    return set;
}

/** `live` with everything that `applied` sets. */
export function mergeApplied(live: unknown, applied: unknown, place: Place): unknown {
    const shape = shapeOf(place, applied);
    if (shape.form === "fields" && isRecord(applied)) {
        const merged = new Map(Object.entries(isRecord(live) ? live : {}));
        for (const [name, value] of Object.entries(applied))
            merged.set(name, mergeApplied(merged.get(name), value, shape.of(name)));
        return Object.fromEntries(merged);
    }
    if (shape.form === "elements" && Array.isArray(applied)) {
        const merged = Array.isArray(live) ? [...(live as unknown[])] : [];
        for (const item of applied as unknown[]) {
            const key = elementKey(item, shape.keys);
            const at = merged.findIndex((one) => elementKey(one, shape.keys) === key);
            const result = mergeApplied(at < 0 ? undefined : merged[at], item, { schema: shape.item, raw: undefined });
            if (at < 0) merged.push(result);
            else merged[at] = result;
        }
        return merged;
    }
    if (shape.form === "set" && Array.isArray(applied)) {
        const list = Array.isArray(live) ? (live as unknown[]) : [];
        return [...list, ...(applied as unknown[]).filter((item) => !list.some((one) => isDeepStrictEqual(one, item)))];
    }
    return applied;
}

/** `value` without the fields of a set. Undefined when nothing is left of it. */
export function withoutFields(value: unknown, set: FieldSet, place: Place): unknown {
    if (set.empty) return value;
    const shape = shapeOf(place, value);
    if (shape.form === "fields" && isRecord(value)) {
        const kept = new Map(Object.entries(value));
        for (const [element, inner] of set.children) {
            const name = element.slice(2);
            if (!kept.has(name)) continue;
            const left = withoutFields(kept.get(name), inner, shape.of(name));
            if (left === undefined) kept.delete(name);
            else kept.set(name, left);
        }
        return kept.size === 0 && (set.self || Object.keys(value).length > 0) ? undefined : Object.fromEntries(kept);
    }
    if ((shape.form === "elements" || shape.form === "set") && Array.isArray(value)) {
        const left = (value as unknown[]).flatMap((item) => {
            const inner = set.children.get(shape.form === "set" ? setKey(item) : elementKey(item, shape.keys));
            if (inner === undefined) return [item];
            if (inner.self) return [];
            return [
                withoutFields(item, inner, {
                    schema: shape.form === "elements" ? shape.item : undefined,
                    raw: undefined,
                }) ?? item,
            ];
        });
        return left.length === 0 ? undefined : left;
    }
    return set.self ? undefined : value;
}

/** Fields whose value differs, was added (in `changed`) or went away (in `removed`). */
export function compareFields(
    before: unknown,
    after: unknown,
    place: Place,
): { readonly changed: FieldSet; readonly removed: FieldSet } {
    const had = fieldsOf(before, place);
    const has = fieldsOf(after, place);
    const changed = new FieldSet();
    for (const path of has.paths()) {
        const old = valueAt(before, path, place);
        const now = valueAt(after, path, place);
        const present = had.at(path)?.self === true;
        // A list element is a place of its own: its fields are compared one by one.
        const holder = path.at(-1)?.startsWith("k:") === true;
        if (present && (holder || isDeepStrictEqual(old, now))) continue;
        let set = changed;
        for (const element of path) set = set.child(element);
        set.self = true;
    }
    return { changed, removed: had.minus(has) };
}

/** The value at a path; undefined when there is none. */
export function valueAt(value: unknown, path: readonly string[], place: Place): unknown {
    const [element, ...rest] = path;
    if (element === undefined) return value;
    const shape = shapeOf(place, value);
    if (shape.form === "fields" && isRecord(value)) {
        const name = element.slice(2);
        return Object.hasOwn(value, name) ? valueAt(value[name], rest, shape.of(name)) : undefined;
    }
    if (!Array.isArray(value)) return undefined;
    if (shape.form === "set") return (value as unknown[]).find((item) => setKey(item) === element);
    if (shape.form !== "elements") return undefined;
    const item = (value as unknown[]).find((one) => elementKey(one, shape.keys) === element);
    return item === undefined ? undefined : valueAt(item, rest, { schema: shape.item, raw: undefined });
}
