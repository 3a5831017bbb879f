// SPDX-License-Identifier: Apache-2.0
import { createHash } from "node:crypto";
import { isRecord } from "../../core/json.ts";
import type { ResourceTable, ServedResource } from "../rest/resources.ts";
import { builtinDefinitions, builtinName } from "./builtin.ts";
import type { Definitions, RawSchema } from "./schema.ts";

const OBJECT_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
const GVK = "x-kubernetes-group-version-kind";
type Json = Record<string, unknown>;

/** The name of a custom kind in the documents: its group turned round, as kube-openapi does. */
function definitionName({ group, version, kind }: ServedResource): string {
    return `${group.split(".").reverse().join(".")}.${version}.${kind}`;
}

function customSchema(resource: ServedResource, ref: (name: string) => string): RawSchema {
    const { group, version, kind } = resource;
    const raw = { ...(resource.schema ?? { type: "object" }) } as Json;
    const properties = isRecord(raw["properties"]) ? raw["properties"] : {};
    raw["properties"] = {
        ...properties,
        apiVersion: { type: "string" },
        kind: { type: "string" },
        metadata: { $ref: ref(OBJECT_META) },
    };
    raw[GVK] = [{ group, version, kind }];
    return raw;
}

/** The definition a resource's objects follow; custom kinds are added to `extra`. */
function define(resource: ServedResource, extra: Record<string, RawSchema>, ref: (name: string) => string): string {
    const builtin = builtinName(resource);
    if (builtin !== undefined && resource.schema === undefined) return builtin;
    const name = definitionName(resource);
    extra[name] = customSchema(resource, ref);
    return name;
}

const QUERY_PARAMETERS = ["dryRun", "fieldManager", "fieldValidation"];

/** The paths of one resource: enough for clients to find its kind and what a write may say. */
function pathsOf(resource: ServedResource, operation: (method: string) => Json): Record<string, Json> {
    const { group, version, plural, namespaced, kind } = resource;
    const root = group === "" ? `/api/${version}` : `/apis/${group}/${version}`;
    const collection = `${root}${namespaced ? "/namespaces/{namespace}" : ""}/${plural}`;
    const gvk = { group, version, kind };
    const described = (method: string, action: string): Json => ({
        ...operation(method),
        "x-kubernetes-action": action,
        [GVK]: gvk,
    });
    return {
        [collection]: { get: described("get", "list"), post: described("post", "post") },
        [`${collection}/{name}`]: {
            get: described("get", "get"),
            put: described("put", "put"),
            patch: described("patch", "patch"),
            delete: described("delete", "delete"),
        },
    };
}

const writes = (method: string): boolean => method !== "get" && method !== "delete";

/** Makes the OpenAPI documents of what is served; each is made again only when the table changed. */
export class OpenApiDocuments {
    readonly #table: ResourceTable;
    #generation = -1;
    readonly #texts = new Map<string, string>();

    constructor(table: ResourceTable) {
        this.#table = table;
    }

    /** GET /openapi/v2 as a value. */
    v2(): Json {
        const ref = (name: string): string => `#/definitions/${name}`;
        const extra: Record<string, RawSchema> = {};
        const paths: Record<string, Json> = {};
        for (const resource of this.#table.all()) {
            const name = define(resource, extra, ref);
            Object.assign(
                paths,
                pathsOf(resource, (method) => ({
                    responses: { "200": { description: "OK", schema: { $ref: ref(name) } } },
                    ...(writes(method) ? { parameters: v2Parameters(ref(name)) } : {}),
                })),
            );
        }
        const definitions: Definitions = { ...builtinDefinitions, ...mapped(extra, toV2) };
        return { swagger: "2.0", info: { title: "Kubernetes", version: "v1.32.0" }, paths, definitions };
    }

    v2Text(): string {
        return this.#cached("v2", () => JSON.stringify(this.v2()));
    }

    /** GET /openapi/v3 */
    v3Index(): string {
        return this.#cached("v3", () => {
            const paths: Record<string, { serverRelativeURL: string }> = {};
            for (const [group, versions] of this.#table.groups()) {
                for (const version of versions) {
                    const path = group === "" ? `api/${version}` : `apis/${group}/${version}`;
                    const text = this.v3Text(group, version) ?? "";
                    const hash = createHash("sha256").update(text).digest("hex").toUpperCase();
                    paths[path] = { serverRelativeURL: `/openapi/v3/${path}?hash=${hash}` };
                }
            }
            return JSON.stringify({ paths });
        });
    }

    /** GET /openapi/v3/apis/<group>/<version>; undefined when that is not served. */
    v3Text(group: string, version: string): string | undefined {
        const served = this.#table.all().filter((one) => one.group === group && one.version === version);
        if (served.length === 0) return undefined;
        return this.#cached(`v3/${group}/${version}`, () => JSON.stringify(v3Document(served)));
    }

    #cached(key: string, make: () => string): string {
        if (this.#generation !== this.#table.generation) {
            this.#texts.clear();
            this.#generation = this.#table.generation;
        }
        const text = this.#texts.get(key) ?? make();
        this.#texts.set(key, text);
        return text;
    }
}

function v3Document(served: readonly ServedResource[]): Json {
    const ref = (name: string): string => `#/components/schemas/${name}`;
    const extra: Record<string, RawSchema> = {};
    const names: string[] = [OBJECT_META];
    const paths: Record<string, Json> = {};
    for (const resource of served) {
        const name = define(resource, extra, ref);
        names.push(name);
        const content = { "application/json": { schema: { $ref: ref(name) } } };
        Object.assign(
            paths,
            pathsOf(resource, (method) => ({
                responses: { "200": { description: "OK", content } },
                ...(writes(method) ? { parameters: v3Parameters() } : {}),
            })),
        );
    }
    const schemas: Record<string, RawSchema> = { ...extra };
    for (const name of names) collect(name, schemas);
    const rewritten = JSON.parse(JSON.stringify(schemas).replaceAll("#/definitions/", "#/components/schemas/")) as Json;
    return {
        openapi: "3.0.0",
        info: { title: "Kubernetes", version: "v1.32.0" },
        paths,
        components: { schemas: rewritten },
    };
}

/** A definition and all it refers to. */
function collect(name: string, into: Record<string, RawSchema>): void {
    const schema = into[name] ?? builtinDefinitions[name];
    if (schema === undefined) return;
    const known = into[name] !== undefined && into[name] === builtinDefinitions[name];
    if (known) return;
    into[name] = schema;
    for (const match of JSON.stringify(schema).matchAll(/"#\/(?:definitions|components\/schemas)\/([^"]+)"/g)) {
        const next = match[1];
        if (next !== undefined && into[next] === undefined) collect(next, into);
    }
}

const v3Parameters = (): Json[] =>
    QUERY_PARAMETERS.map((name) => ({ name, in: "query", schema: { type: "string", uniqueItems: true } }));

const v2Parameters = (body: string): Json[] => [
    { name: "body", in: "body", required: true, schema: { $ref: body } },
    ...QUERY_PARAMETERS.map((name) => ({ name, in: "query", type: "string", uniqueItems: true })),
];

const mapped = (schemas: Record<string, RawSchema>, map: (schema: unknown) => unknown): Definitions =>
    Object.fromEntries(Object.entries(schemas).map(([name, schema]) => [name, map(schema) as RawSchema]));

/** What OpenAPI v2 cannot say is left open there. */
const V3_ONLY = new Set(["oneOf", "anyOf", "allOf", "not", "nullable", "default"]);

function toV2(schema: unknown): unknown {
    if (Array.isArray(schema)) return schema.map(toV2);
    if (!isRecord(schema)) return schema;
    const open =
        schema["x-kubernetes-preserve-unknown-fields"] === true || schema["x-kubernetes-int-or-string"] === true;
    const result: Json = {};
    for (const [key, value] of Object.entries(schema)) {
        if (V3_ONLY.has(key)) continue;
        if (key === "properties" && isRecord(value)) {
            if (!open)
                result[key] = Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, toV2(inner)]));
        } else if (key === "enum" || key === "required" || key.startsWith("x-")) result[key] = value;
        else if (!(open && (key === "type" || key === "items" || key === "additionalProperties")))
            result[key] = toV2(value);
    }
    return result;
}
