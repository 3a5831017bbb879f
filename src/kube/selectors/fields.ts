// SPDX-License-Identifier: Apache-2.0
import { badRequest } from "../rest/status.ts";
import type { KubeObject } from "../types.ts";

export type FieldMatcher = (object: KubeObject) => boolean;

export interface FieldTerm {
    readonly field: string;
    readonly equal: boolean;
    readonly value: string;
}

/** Where a selectable field is found, when it is not at the path its name says. */
export type FieldPaths = Readonly<Record<string, string>>;

const ALWAYS: FieldPaths = { "metadata.name": "metadata.name", "metadata.namespace": "metadata.namespace" };

/**
 * Reads a field selector (`a.b=c`, `a.b==c`, `a.b!=c`, commas between; backslash escapes comma, equals, backslash).
 * @throws 400 when it does not parse
 */
export function parseFieldSelector(text: string): readonly FieldTerm[] {
    const parts = text.match(/(?:\\.|[^,\\])+/g) ?? [];
    return parts.map((part) => {
        const match = /^((?:\\.|[^=!\\])+)(==|!=|=)(.*)$/s.exec(part.trim());
        if (match === null) throw badRequest(`invalid selector: '${text}'; can't understand '${part}'`);
        const value = (match[3] ?? "").replace(/\\(.)/gs, "$1");
        return { field: match[1] ?? "", equal: match[2] !== "!=", value };
    });
}

/**
 * Turns terms into a test of objects.
 * @param selectable field name to path within the object, for the kind in question
 * @throws 400 for a field that cannot be selected by
 */
export function fieldMatcher(terms: readonly FieldTerm[], selectable: FieldPaths): FieldMatcher {
    const tests = terms.map(({ field, equal, value }) => {
        const known = Object.hasOwn(ALWAYS, field) ? ALWAYS : selectable;
        const path = Object.hasOwn(known, field) ? known[field] : undefined;
        if (path === undefined) throw badRequest(`field label not supported: ${field}`);
        const steps = path.split(".");
        return (object: KubeObject): boolean => (textAt(object, steps) === value) === equal;
    });
    return (object) => tests.every((test) => test(object));
}

/** The field's value as text; what is not there reads as "", a boolean as "true" or "false". */
function textAt(object: KubeObject, steps: readonly string[]): string {
    let value: unknown = object;
    for (const step of steps) {
        if (typeof value !== "object" || value === null) return "";
        value = (value as Record<string, unknown>)[step];
    }
    if (value === undefined || value === null) return steps.at(-1) === "unschedulable" ? "false" : "";
    return String(value);
}
