// SPDX-License-Identifier: Apache-2.0
import { asRecord, asRecords, isRecord, type JsonRecord } from "../../../src/core/json.ts";

/** What the schemas of apiextensions.k8s.io/v1 may hold in Kubernetes 1.20; later ones were only added to. */
const SCHEMA_KEYS = new Set([
    ..."title description type format default example externalDocs nullable enum".split(" "),
    ..."maximum exclusiveMaximum minimum exclusiveMinimum multipleOf".split(" "),
    ..."maxLength minLength pattern maxItems minItems maxProperties minProperties".split(" "),
    ..."required items properties additionalProperties allOf anyOf oneOf not".split(" "),
    ..."preserve-unknown-fields embedded-resource int-or-string list-map-keys list-type map-type"
        .split(" ")
        .map((key) => `x-kubernetes-${key}`),
]);
const TYPES = new Set(["object", "array", "string", "integer", "number", "boolean"]);
const VERSION_KEYS =
    "name served storage deprecated deprecationWarning schema subresources additionalPrinterColumns".split(" ");
const SPEC_KEYS = "group scope names versions conversion preserveUnknownFields".split(" ");
const NAME_KEYS = "plural singular shortNames kind listKind categories".split(" ");
const COLUMN_KEYS = "name type format description priority jsonPath".split(" ");
const COLUMN_TYPES = ["integer", "number", "string", "boolean", "date"];
/** `.a.b`, with `[*]` behind a list. */
const COLUMN_PATH = /^(\.[A-Za-z]+(\[\*\])?)+$/;
/** Within these only values are checked: no types, no defaults, no extensions (apiextensions, "structural schema", rule 3). */
const VALUE_ONLY_UNDER = ["allOf", "anyOf", "oneOf"];
const NOT_IN_VALUE_ONLY = ["description", "type", "default", "additionalProperties", "nullable", "title"];

/**
 * The rules of Kubernetes for a CustomResourceDefinition of apiextensions.k8s.io/v1 as they were in 1.20: known fields, a
 * structural schema, list keys that are there, simple columns.
 * @returns what breaks one, each with its path; a definition without any loads everywhere since
 */
export function definitionFaults(definition: JsonRecord): string[] {
    const spec = asRecord(definition["spec"]);
    const faults = [
        ...unknownKeys("spec", spec, SPEC_KEYS),
        ...unknownKeys("spec.names", asRecord(spec["names"]), NAME_KEYS),
    ];
    for (const version of asRecords(spec["versions"])) {
        const at = `versions[${String(version["name"])}]`;
        faults.push(...unknownKeys(at, version, VERSION_KEYS));
        for (const column of asRecords(version["additionalPrinterColumns"])) faults.push(...columnFaults(at, column));
        const schema = asRecord(asRecord(version["schema"])["openAPIV3Schema"]);
        if (schema["type"] !== "object") faults.push(`${at}: the root is no object`);
        faults.push(...schemaFaults(at, schema, true), ...metadataFaults(at, schema));
    }
    return faults;
}

function columnFaults(at: string, column: JsonRecord): string[] {
    const path = `${at}.column[${String(column["name"])}]`;
    const faults = unknownKeys(path, column, COLUMN_KEYS);
    if (!COLUMN_TYPES.includes(String(column["type"]))) faults.push(`${path}: no type that a column may have`);
    if (!COLUMN_PATH.test(String(column["jsonPath"]))) faults.push(`${path}: no simple path`);
    return faults;
}

/** Of apiVersion, kind and metadata a schema says no more than their types. */
function metadataFaults(at: string, schema: JsonRecord): string[] {
    const metadata = asRecord(asRecord(schema["properties"])["metadata"]);
    return Object.keys(metadata)
        .filter((key) => key !== "type" && key !== "description")
        .map((key) => `${at}.metadata: ${key} is restricted`);
}

function schemaFaults(at: string, schema: JsonRecord, isRoot = false): string[] {
    const faults = Object.keys(schema)
        .filter((key) => !SCHEMA_KEYS.has(key))
        .map((key) => `${at}: ${key} is not known to Kubernetes 1.20, or forbidden`);
    const open = schema["x-kubernetes-preserve-unknown-fields"] === true;
    const intOrString = schema["x-kubernetes-int-or-string"] === true;
    if (schema["type"] === undefined ? !(open || intOrString) || isRoot : !TYPES.has(String(schema["type"])))
        faults.push(`${at}: no type`);
    if (schema["properties"] !== undefined && schema["additionalProperties"] !== undefined)
        faults.push(`${at}: properties and additionalProperties exclude each other`);
    if (schema["type"] === "array" && !isRecord(schema["items"])) faults.push(`${at}: an array without items`);
    if (schema["uniqueItems"] === true) faults.push(`${at}: uniqueItems is forbidden`);
    if ("default" in schema && schema["default"] === null && schema["nullable"] !== true)
        faults.push(`${at}: a default of null where null is not allowed`);
    faults.push(...listFaults(at, schema));
    for (const key of VALUE_ONLY_UNDER)
        for (const part of asRecords(schema[key])) faults.push(...valueOnlyFaults(`${at}.${key}`, part, schema));
    if (isRecord(schema["not"])) faults.push(...valueOnlyFaults(`${at}.not`, schema["not"], schema));
    for (const [name, inner] of Object.entries(asRecord(schema["properties"])))
        faults.push(...schemaFaults(`${at}.${name}`, asRecord(inner)));
    if (isRecord(schema["items"])) faults.push(...schemaFaults(`${at}[]`, schema["items"]));
    if (isRecord(schema["additionalProperties"]))
        faults.push(...schemaFaults(`${at}{}`, schema["additionalProperties"]));
    return faults;
}

/** A list that is a map by keys: each key a scalar of every item, and required, for 1.20 refuses keys that may be absent. */
function listFaults(at: string, schema: JsonRecord): string[] {
    const listType = schema["x-kubernetes-list-type"];
    const keys = schema["x-kubernetes-list-map-keys"];
    if (listType !== "map") return keys === undefined ? [] : [`${at}: list-map-keys without list-type map`];
    const items = asRecord(schema["items"]);
    if (!Array.isArray(keys) || keys.length === 0) return [`${at}: a map without keys`];
    return keys.flatMap((key: unknown) => {
        const field = asRecord(asRecord(items["properties"])[String(key)]);
        const scalar = TYPES.has(String(field["type"])) && field["type"] !== "object" && field["type"] !== "array";
        const required = Array.isArray(items["required"]) && items["required"].includes(key);
        return scalar && (required || field["default"] !== undefined) ? [] : [`${at}: the key ${String(key)}`];
    });
}

/** What logical parts name must be specified outside of them, and they may not say anything but constraints. */
function valueOnlyFaults(at: string, part: JsonRecord, outside: JsonRecord): string[] {
    const faults = Object.keys(part)
        .filter((key) => NOT_IN_VALUE_ONLY.includes(key) || key.startsWith("x-kubernetes-"))
        .map((key) => `${at}: ${key} within a logical part`);
    for (const [name, inner] of Object.entries(asRecord(part["properties"]))) {
        const specified = asRecord(outside["properties"])[name];
        if (!isRecord(specified)) faults.push(`${at}.${name}: not specified outside`);
        else faults.push(...valueOnlyFaults(`${at}.${name}`, asRecord(inner), specified));
    }
    return faults;
}

function unknownKeys(at: string, given: JsonRecord, known: readonly string[]): string[] {
    return Object.keys(given)
        .filter((key) => !known.includes(key))
        .map((key) => `${at}: ${key} is not known to Kubernetes 1.20`);
}
