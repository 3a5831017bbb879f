// SPDX-License-Identifier: Apache-2.0
import { asRecord, asRecords, asText, isRecord, type JsonRecord } from "../../core/json.ts";
import { ALL_VERBS, type ServedResource, type Strategy, type Subresource } from "../rest/resources.ts";
import type { FieldError } from "../rest/status.ts";
import { invalidValue, notSupported, required } from "../rest/status.ts";
import { compileJsonPath } from "../tables/json-path.ts";
import { age, ageColumn, type Cell, type Column, nameColumn } from "../tables/table.ts";
import type { KubeObject } from "../types.ts";
import { SchemaValidator } from "../validation/schema-validator.ts";
import { applyDefaults, pruneUnknown, type StructuralSchema } from "../validation/structural.ts";

const COLUMN_TYPES = ["string", "integer", "number", "boolean", "date"] as const;
const STATUS: Subresource = { name: "status", verbs: ["get", "patch", "update"] };
const SCALE: Subresource = {
    name: "scale",
    verbs: ["get", "patch", "update"],
    kind: { group: "autoscaling", version: "v1", kind: "Scale" },
};

/** Names that another definition of the group may not take; filled by defaulting. */
export interface CustomNames {
    readonly plural: string;
    readonly singular: string;
    readonly kind: string;
    readonly listKind: string;
    readonly shortNames: readonly string[];
    readonly categories: readonly string[];
}

export function namesOf(definition: KubeObject): CustomNames {
    const names = asRecord(asRecord(definition["spec"])["names"]);
    const kind = asText(names["kind"]) ?? "";
    const list = (value: unknown): string[] => (Array.isArray(value) ? value.map(String) : []);
    return {
        plural: asText(names["plural"]) ?? "",
        singular: asText(names["singular"]) ?? kind.toLowerCase(),
        kind,
        listKind: asText(names["listKind"]) ?? `${kind}List`,
        shortNames: list(names["shortNames"]),
        categories: list(names["categories"]),
    };
}

export function defaultDefinition(object: KubeObject): void {
    const spec = asRecord(object["spec"]);
    const names = asRecord(spec["names"]);
    const { singular, listKind } = namesOf(object);
    names["singular"] ??= singular;
    names["listKind"] ??= listKind;
    spec["conversion"] ??= { strategy: "None" };
}

export function validateDefinition(object: KubeObject, current: KubeObject | undefined): FieldError[] {
    const errors: FieldError[] = [];
    const spec = asRecord(object["spec"]);
    const names = namesOf(object);
    const group = asText(spec["group"]);
    const wanted = `${names.plural}.${group}`;
    if (object.metadata.name !== wanted)
        errors.push(invalidValue("metadata.name", object.metadata.name, `must be spec.names.plural+"."+spec.group`));
    if (spec["scope"] !== "Namespaced" && spec["scope"] !== "Cluster")
        errors.push(notSupported("spec.scope", spec["scope"], ["Cluster", "Namespaced"]));
    if (asRecord(spec["conversion"])["strategy"] !== "None")
        errors.push(notSupported("spec.conversion.strategy", asRecord(spec["conversion"])["strategy"], ["None"]));
    const versions = asRecords(spec["versions"]);
    if (versions.filter((version) => version["storage"] === true).length !== 1) {
        errors.push(
            invalidValue(
                "spec.versions",
                versions.map((version) => version["name"]),
                "must have exactly one version marked as storage version",
            ),
        );
    }
    versions.forEach((version, at) => {
        const path = `spec.versions[${at}].schema.openAPIV3Schema`;
        const schema = schemaOf(version);
        if (schema === undefined) {
            errors.push(required(path, "schemas are required"));
            return;
        }
        if (schema["type"] !== "object")
            errors.push(invalidValue(`${path}.type`, schema["type"] ?? "", "must be object at the root"));
        try {
            new SchemaValidator(schema).check();
        } catch (error) {
            errors.push(invalidValue(path, "", error instanceof Error ? error.message : String(error)));
        }
    });
    const before = asRecord(current?.["spec"]);
    if (current !== undefined && before["scope"] !== spec["scope"])
        errors.push(invalidValue("spec.scope", spec["scope"], "field is immutable"));
    return errors;
}

const schemaOf = (version: JsonRecord): StructuralSchema | undefined => {
    const schema = asRecord(version["schema"])["openAPIV3Schema"];
    return isRecord(schema) ? schema : undefined;
};

/** What a CustomResourceDefinition makes the server serve: one resource a served version. */
export function resourcesOf(definition: KubeObject): ServedResource[] {
    const spec = asRecord(definition["spec"]);
    const names = namesOf(definition);
    const storageVersion =
        asText(asRecords(spec["versions"]).find((version) => version["storage"] === true)?.["name"]) ?? "v1";
    return asRecords(spec["versions"])
        .filter((version) => version["served"] === true)
        .map((version) => resourceOf(spec, names, version, storageVersion));
}

function resourceOf(spec: JsonRecord, names: CustomNames, version: JsonRecord, storageVersion: string): ServedResource {
    const group = asText(spec["group"]) ?? "";
    const name = asText(version["name"]) ?? "";
    const schema = schemaOf(version) ?? {};
    const below = asRecord(version["subresources"]);
    const hasStatus = isRecord(below["status"]);
    const converted =
        (to: string) =>
        (object: KubeObject): KubeObject => ({ ...object, apiVersion: `${group}/${to}` });
    return {
        group,
        version: name,
        ...names,
        namespaced: spec["scope"] !== "Cluster",
        verbs: ALL_VERBS,
        subresources: [...(isRecord(below["scale"]) ? [SCALE] : []), ...(hasStatus ? [STATUS] : [])],
        hasStatus,
        hasGeneration: true,
        statusCarriesMetadata: false,
        selectable: Object.fromEntries(
            asRecords(version["selectableFields"]).map(({ jsonPath }) => {
                const path = String(jsonPath).replace(/^\./, "");
                return [path, path];
            }),
        ),
        columns: columnsOf(version),
        strategy: strategyOf(schema),
        scalePaths: isRecord(below["scale"]) ? below["scale"] : undefined,
        schema,
        deprecationWarning:
            version["deprecated"] === true
                ? (asText(version["deprecationWarning"]) ?? `${group}/${name} ${names.kind} is deprecated`)
                : undefined,
        ...(name === storageVersion ? {} : { present: converted(name), absorb: converted(storageVersion) }),
    };
}

function strategyOf(schema: StructuralSchema): Strategy {
    const validator = new SchemaValidator(schema);
    return {
        decode: (object) => pruneUnknown(schema, object),
        default: (object) => applyDefaults(schema, object),
        validate: (object) => validator.errors(object),
    };
}

function columnsOf(version: JsonRecord): readonly Column[] {
    const own = asRecords(version["additionalPrinterColumns"]);
    if (own.length === 0) return [nameColumn, ageColumn];
    return [nameColumn, ...own.map(printerColumn)];
}

function printerColumn(raw: JsonRecord): Column {
    const type = COLUMN_TYPES.find((known) => known === raw["type"]) ?? "string";
    const read = compileJsonPath(asText(raw["jsonPath"]) ?? "");
    return {
        name: asText(raw["name"]) ?? "",
        // Ages are told as text, as the real API server does: kubectl does not turn dates into ages.
        type: type === "date" ? "string" : type,
        priority: typeof raw["priority"] === "number" ? raw["priority"] : 0,
        description: asText(raw["description"]) ?? "",
        value: (object, nowMs) => cell(type, read(object), nowMs),
    };
}

function cell(type: string, found: readonly unknown[], nowMs: number): Cell {
    const [first] = found;
    if (first === undefined) return null;
    if (type === "date") return age(first, nowMs);
    if (type === "string")
        return found.map((value) => (typeof value === "object" ? JSON.stringify(value) : String(value))).join(",");
    if (type === "boolean") return typeof first === "boolean" ? first : null;
    return typeof first === "number" ? first : null;
}
