// SPDX-License-Identifier: Apache-2.0
import { isRecord, type JsonRecord } from "../../core/json.ts";
import type { MergeField, MergeSchema } from "../patch/strategic.ts";

/** A schema as it stands in an OpenAPI document. */
export interface RawSchema {
    readonly $ref?: string;
    readonly type?: string;
    readonly format?: string;
    readonly properties?: Readonly<Record<string, RawSchema>>;
    readonly items?: RawSchema;
    readonly additionalProperties?: RawSchema | boolean;
    readonly required?: readonly string[];
    readonly [extension: string]: unknown;
}

export type Definitions = Readonly<Record<string, RawSchema>>;

const REF = /^#\/(?:definitions|components\/schemas)\//;
/** Types whose JSON form is not what their schema's type says. */
const INT_OR_STRING = "io.k8s.apimachinery.pkg.util.intstr.IntOrString";
const QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity";

export type FieldType = "object" | "map" | "list" | "string" | "integer" | "number" | "boolean" | "intOrString" | "any";

/** One type with its references resolved as they are needed; types may contain themselves. */
export class Schema implements MergeSchema {
    readonly raw: RawSchema;
    readonly type: FieldType;
    readonly #definitions: Definitions;
    readonly #fields = new Map<string, { readonly schema: Schema; readonly merge: MergeField }>();
    #items: Schema | undefined;

    private constructor(raw: RawSchema, definitions: Definitions, name: string) {
        this.raw = raw;
        this.#definitions = definitions;
        this.type = typeOf(raw, name);
    }

    static of(raw: RawSchema, definitions: Definitions): Schema {
        const name = raw.$ref?.replace(REF, "");
        if (name === undefined) return new Schema(raw, definitions, "");
        const cached = cacheFor(definitions);
        let schema = cached.get(name);
        if (schema === undefined) {
            schema = new Schema(definitions[name] ?? {}, definitions, name);
            cached.set(name, schema);
        }
        return schema;
    }

    get required(): readonly string[] {
        return this.raw.required ?? [];
    }

    get mapKeys(): readonly string[] | undefined {
        const keys = this.raw["x-kubernetes-list-map-keys"];
        return Array.isArray(keys) ? (keys as string[]) : undefined;
    }

    /** The schema of a property; undefined when there is none of that name. */
    property(name: string): Schema | undefined {
        return this.#field(name)?.schema;
    }

    /** Of a list's elements or a map's values. */
    get items(): Schema | undefined {
        if (this.#items === undefined) {
            const { items, additionalProperties } = this.raw;
            const raw = items ?? (typeof additionalProperties === "object" ? additionalProperties : undefined);
            this.#items = raw === undefined ? undefined : Schema.of(raw, this.#definitions);
        }
        return this.#items;
    }

    field(name: string): MergeField | undefined {
        if (this.type === "map") return { merge: false, schema: this.items };
        return this.#field(name)?.merge;
    }

    /** How the property is merged by server-side apply. */
    rawProperty(name: string): RawSchema | undefined {
        const { properties } = this.raw;
        return properties !== undefined && Object.hasOwn(properties, name) ? properties[name] : undefined;
    }

    #field(name: string): { readonly schema: Schema; readonly merge: MergeField } | undefined {
        const known = this.#fields.get(name);
        if (known !== undefined) return known;
        const raw = this.rawProperty(name);
        if (raw === undefined) return undefined;
        const schema = Schema.of(raw, this.#definitions);
        const strategies = String(raw["x-kubernetes-patch-strategy"] ?? "").split(",");
        const mergeKey = raw["x-kubernetes-patch-merge-key"];
        const merge: MergeField = {
            merge: strategies.includes("merge"),
            retainKeys: strategies.includes("retainKeys"),
            mergeKey: typeof mergeKey === "string" ? mergeKey : undefined,
            schema: schema.type === "list" ? schema.items : schema,
        };
        const field = { schema, merge };
        this.#fields.set(name, field);
        return field;
    }
}

const caches = new WeakMap<Definitions, Map<string, Schema>>();

function cacheFor(definitions: Definitions): Map<string, Schema> {
    let cache = caches.get(definitions);
    if (cache === undefined) {
        cache = new Map();
        caches.set(definitions, cache);
    }
    return cache;
}

function typeOf(raw: RawSchema, name: string): FieldType {
    if (name === INT_OR_STRING || name === QUANTITY || raw.format === "int-or-string") return "intOrString";
    if (raw.properties !== undefined) return "object";
    if (raw["x-kubernetes-preserve-unknown-fields"] === true) return "any";
    if (raw.type === "array") return "list";
    if (raw.type === "object") return typeof raw.additionalProperties === "object" ? "map" : "any";
    if (raw.type === "string" || raw.type === "integer" || raw.type === "number" || raw.type === "boolean")
        return raw.type;
    return "any";
}

/** What a walk over an object found. Paths are written as the API server writes them. */
export interface Findings {
    readonly unknown: string[];
    readonly wrongType: { readonly path: string; readonly found: string; readonly wanted: string }[];
    readonly missing: string[];
}

/**
 * Compares a value with its schema and drops nulls on the way, as decoding does.
 * Everything that is found is reported, nothing is thrown.
 */
export function inspect(schema: Schema, value: unknown, path: string, findings: Findings): void {
    const { type } = schema;
    if (type === "any") return;
    if (!isOfType(type, value)) {
        const found = value === null ? "null" : Array.isArray(value) ? "array" : typeof value;
        findings.wrongType.push({ path, found, wanted: type });
    } else if (Array.isArray(value)) {
        value.forEach((inner, at) => {
            if (schema.items !== undefined) inspect(schema.items, inner, `${path}[${at}]`, findings);
        });
    } else if (isRecord(value)) {
        if (type === "object") inspectObject(schema, value, path, findings);
        else inspectMap(schema.items, value, path, findings);
    }
}

function isOfType(type: FieldType, value: unknown): boolean {
    switch (type) {
        case "any":
            return true;
        case "object":
        case "map":
            return isRecord(value);
        case "list":
            return Array.isArray(value);
        case "intOrString":
            return typeof value === "string" || typeof value === "number";
        case "integer":
            return Number.isInteger(value);
        default:
            return typeof value === type;
    }
}

function inspectMap(items: Schema | undefined, value: JsonRecord, path: string, findings: Findings): void {
    if (items === undefined) return;
    for (const [key, inner] of Object.entries(value))
        if (inner !== null) inspect(items, inner, `${path}.${key}`, findings);
}

function inspectObject(schema: Schema, value: JsonRecord, path: string, findings: Findings): void {
    for (const [key, inner] of Object.entries(value)) {
        const at = path === "" ? key : `${path}.${key}`;
        const property = schema.property(key);
        if (property === undefined) findings.unknown.push(at);
        else if (inner === null) delete value[key];
        else inspect(property, inner, at, findings);
    }
    for (const key of schema.required) {
        if (value[key] === undefined) findings.missing.push(path === "" ? key : `${path}.${key}`);
    }
}

/** Removes what the schema does not know, in place. */
export function prune(schema: Schema, value: unknown): void {
    if (schema.type === "list" && Array.isArray(value)) {
        for (const inner of value) if (schema.items !== undefined) prune(schema.items, inner);
    } else if (schema.type === "map" && isRecord(value)) {
        for (const inner of Object.values(value)) if (schema.items !== undefined) prune(schema.items, inner);
    } else if (schema.type === "object" && isRecord(value)) {
        for (const [key, inner] of Object.entries(value)) {
            const property = schema.property(key);
            if (property === undefined) delete value[key];
            else prune(property, inner);
        }
    }
}
