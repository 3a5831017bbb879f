// SPDX-License-Identifier: Apache-2.0
import { isDeepStrictEqual } from "node:util";
import { isRecord, type JsonRecord } from "../../core/json.ts";
import { PatchError } from "./json-patch.ts";

/** How a field of a built-in kind merges (x-kubernetes-patch-strategy and -merge-key of its schema). */
export interface MergeField {
    /** A list merges element by element; without it a list is replaced. */
    readonly merge: boolean;
    /** For lists of objects: what names an element. Absent: a list of scalars, merged as a set. */
    readonly mergeKey?: string | undefined;
    readonly retainKeys?: boolean | undefined;
    /** Of the object, the list's elements or the map's values. */
    readonly schema: MergeSchema | undefined;
}

export interface MergeSchema {
    field(name: string): MergeField | undefined;
}

const DIRECTIVE = "$patch";
const RETAIN = "$retainKeys";
const DELETE_FROM = "$deleteFromPrimitiveList/";
const ORDER = "$setElementOrder/";

/**
 * Kubernetes' strategic merge patch. Answers the merged copy; unchanged parts are shared with `document`.
 * @throws PatchError for an unknown directive or an element without its merge key
 */
export function applyStrategicPatch(
    document: JsonRecord,
    patch: JsonRecord,
    schema: MergeSchema | undefined,
): JsonRecord {
    return mergeObject(document, patch, schema) ?? {};
}

/** Undefined when the patch deletes the object. */
function mergeObject(base: JsonRecord, patch: JsonRecord, schema: MergeSchema | undefined): JsonRecord | undefined {
    const directive = patch[DIRECTIVE];
    if (directive === "delete") return undefined;
    if (directive === "replace") return withoutDirectives(patch);
    if (directive !== undefined && directive !== "merge")
        throw new PatchError(`unknown patch type: ${String(directive)}`);
    const merged = new Map(Object.entries(base));
    const retained = patch[RETAIN];
    if (Array.isArray(retained)) for (const key of merged.keys()) if (!retained.includes(key)) merged.delete(key);
    for (const [key, value] of Object.entries(patch)) {
        if (key.startsWith("$")) continue;
        const result = mergeField(key, merged.get(key), value, patch, schema?.field(key));
        if (result === undefined) merged.delete(key);
        else merged.set(key, result);
    }
    applyListDirectives(merged, patch, schema);
    return Object.fromEntries(merged);
}

function mergeField(
    key: string,
    base: unknown,
    value: unknown,
    patch: JsonRecord,
    field: MergeField | undefined,
): unknown {
    if (value === null) return undefined;
    if (isRecord(value)) return mergeObject(isRecord(base) ? base : {}, value, field?.schema);
    if (!Array.isArray(value)) return value;
    const order = patch[ORDER + key];
    if (field?.merge !== true) return value;
    if (field.mergeKey === undefined) return mergeScalars(asList(base), value, order);
    return mergeElements(asList(base), value, { mergeKey: field.mergeKey, schema: field.schema }, order);
}

const asList = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

/** `$deleteFromPrimitiveList/x` and `$setElementOrder/x` where the patch does not carry the list itself. */
function applyListDirectives(merged: Map<string, unknown>, patch: JsonRecord, schema: MergeSchema | undefined): void {
    for (const [key, value] of Object.entries(patch)) {
        if (key.startsWith(DELETE_FROM) && Array.isArray(value)) {
            const name = key.slice(DELETE_FROM.length);
            const added = asList(patch[name]);
            const left = asList(merged.get(name)).filter((item) => !value.includes(item) || added.includes(item));
            if (merged.has(name)) merged.set(name, left);
        }
        if (!key.startsWith(ORDER) || !Array.isArray(value)) continue;
        const name = key.slice(ORDER.length);
        const list = merged.get(name);
        const mergeKey = schema?.field(name)?.mergeKey;
        if (Array.isArray(list)) merged.set(name, ordered(list, value, mergeKey));
    }
}

function mergeScalars(base: readonly unknown[], patch: readonly unknown[], order: unknown): unknown[] {
    const merged = [...base, ...patch.filter((item) => !base.includes(item))];
    return Array.isArray(order) ? ordered(merged, order, undefined) : patchFirst(merged, patch, base, undefined);
}

function mergeElements(
    base: readonly unknown[],
    patch: readonly unknown[],
    { mergeKey, schema }: { readonly mergeKey: string; readonly schema: MergeSchema | undefined },
    order: unknown,
): unknown[] {
    const replace = patch.some((element) => isRecord(element) && element[DIRECTIVE] === "replace");
    const elements = patch.filter((element) => !(isRecord(element) && isBareReplace(element)));
    if (replace) return elements.map((element) => (isRecord(element) ? withoutDirectives(element) : element));
    let merged = [...base];
    for (const element of elements) {
        if (!isRecord(element)) throw new PatchError(`a list that merges by ${mergeKey} holds objects only`);
        const id = element[mergeKey];
        if (id === undefined)
            throw new PatchError(`map: ${JSON.stringify(element)} does not contain declared merge key: ${mergeKey}`);
        const at = merged.findIndex((item) => isRecord(item) && item[mergeKey] === id);
        const existing = at < 0 ? {} : (merged[at] as JsonRecord);
        const result = mergeObject(existing, element, schema);
        if (result === undefined) merged = merged.filter((item) => !isRecord(item) || item[mergeKey] !== id);
        else if (at < 0) merged.push(result);
        else merged[at] = result;
    }
    return Array.isArray(order) ? ordered(merged, order, mergeKey) : patchFirst(merged, elements, base, mergeKey);
}

/**
 * Without a wished order, elements of the patch come in its order, those that are new before the others; elements that
 * only the object has keep their place among those it had (strategic merge patch, as the API server does it).
 */
function patchFirst(
    merged: readonly unknown[],
    patch: readonly unknown[],
    base: readonly unknown[],
    mergeKey: string | undefined,
): unknown[] {
    const idOf = (item: unknown): unknown => (mergeKey !== undefined && isRecord(item) ? item[mergeKey] : item);
    const place = (list: readonly unknown[], item: unknown): number =>
        list.findIndex((one) => idOf(one) === idOf(item));
    const patched = merged.filter((item) => place(patch, item) >= 0);
    patched.sort((one, other) => place(patch, one) - place(patch, other));
    const kept = merged.filter((item) => place(patch, item) < 0);
    const result: unknown[] = [];
    while (patched.length > 0 && kept.length > 0) {
        const fromPatch = place(base, patched[0]) < place(base, kept[0]);
        result.push((fromPatch ? patched : kept).shift());
    }
    return [...result, ...patched, ...kept];
}

const isBareReplace = (element: JsonRecord): boolean =>
    element[DIRECTIVE] === "replace" && Object.keys(element).length === 1;

/**
 * Elements named by `order` come in that order; each of the others keeps its place behind the element it followed.
 */
function ordered(list: readonly unknown[], order: readonly unknown[], mergeKey: string | undefined): unknown[] {
    const idOf = (item: unknown): unknown => (mergeKey !== undefined && isRecord(item) ? item[mergeKey] : item);
    const wanted = order.map(idOf);
    const rank = (item: unknown): number => wanted.findIndex((id) => isDeepStrictEqual(id, idOf(item)));
    const named = list.filter((item) => rank(item) >= 0).sort((a, b) => rank(a) - rank(b));
    const result = [...named];
    list.forEach((item, at) => {
        if (rank(item) >= 0) return;
        const before = at === 0 ? -1 : result.indexOf(list[at - 1]);
        result.splice(before + 1, 0, item);
    });
    return result;
}

function withoutDirectives(value: JsonRecord): JsonRecord {
    const clean = (inner: unknown): unknown => {
        if (Array.isArray(inner)) return inner.map(clean);
        return isRecord(inner) ? withoutDirectives(inner) : inner;
    };
    const kept = Object.entries(value).filter(([key, inner]) => !key.startsWith("$") && inner !== null);
    return Object.fromEntries(kept.map(([key, inner]) => [key, clean(inner)]));
}
