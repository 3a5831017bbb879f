// SPDX-License-Identifier: Apache-2.0
import raw from "./builtin-schemas.json";
import type { Definitions, RawSchema } from "./schema.ts";
import { Schema } from "./schema.ts";

/**
 * The types of the built-in kinds: field names, types, merge keys. Taken from the OpenAPI document of a Kubernetes API
 * server (texts left out) and extended by the fields that newer releases have.
 */
export const builtinDefinitions: Definitions = raw as unknown as Definitions;

interface GroupVersionKind {
    readonly group: string;
    readonly version: string;
    readonly kind: string;
}

export function gvksOf(schema: RawSchema): readonly GroupVersionKind[] {
    const gvks = schema["x-kubernetes-group-version-kind"];
    return Array.isArray(gvks) ? (gvks as GroupVersionKind[]) : [];
}

let names: Map<string, string> | undefined;

/** The definition's name for a built-in kind, e.g. "io.k8s.api.core.v1.Pod". */
export function builtinName({ group, version, kind }: GroupVersionKind): string | undefined {
    names ??= new Map(
        Object.entries(builtinDefinitions).flatMap(([name, schema]) =>
            gvksOf(schema).map((gvk) => [`${gvk.group}/${gvk.version}/${gvk.kind}`, name] as const),
        ),
    );
    return names.get(`${group}/${version}/${kind}`);
}

/** The schema of a built-in kind; undefined when it is none. */
export function builtinSchema(gvk: GroupVersionKind): Schema | undefined {
    const name = builtinName(gvk);
    return name === undefined ? undefined : Schema.of({ $ref: `#/definitions/${name}` }, builtinDefinitions);
}
