// SPDX-License-Identifier: Apache-2.0
import { Ajv, type ErrorObject, type ValidateFunction } from "ajv";
import addFormats from "ajv-formats";
import { isRecord } from "../../core/json.ts";
import { type FieldError, invalidValue, notSupported, required } from "../rest/status.ts";
import { type ListCheck, listCheck } from "./list-types.ts";
import type { StructuralSchema } from "./structural.ts";

/** Checks objects against the schema of a custom resource version. Compiled on first use. */
export class SchemaValidator {
    readonly #schema: StructuralSchema;
    readonly #lists: ListCheck | undefined;
    #validate: ValidateFunction | undefined;

    constructor(schema: StructuralSchema) {
        this.#schema = schema;
        this.#lists = listCheck(schema);
    }

    /** @throws Error when the schema itself cannot be compiled */
    errors(object: unknown): FieldError[] {
        this.#validate ??= compile(this.#schema);
        if (this.#validate(object)) {
            const duplicates: FieldError[] = [];
            this.#lists?.(object, "", duplicates);
            return duplicates;
        }
        const errors = (this.#validate.errors ?? []).filter((error) => !isWrapper(error));
        return errors.map((error) => fieldError(error, object));
    }

    /** Throws when the schema cannot be used. */
    check(): void {
        this.#validate ??= compile(this.#schema);
    }
}

function compile(schema: StructuralSchema): ValidateFunction {
    const ajv = new Ajv({ allErrors: true, strict: false, validateFormats: true, verbose: true, logger: false });
    // ajv-formats is CommonJS: its function is the default export's own default under some loaders.
    const add = (addFormats as unknown as { default?: typeof addFormats.default }).default ?? addFormats;
    (add as unknown as (to: Ajv) => void)(ajv);
    return ajv.compile(toJsonSchema(schema) as object);
}

const MAPS = new Set(["properties", "patternProperties", "definitions"]);

/** OpenAPI's dialect in JSON Schema's words: int-or-string, exclusive bounds, nullable without a type. */
function toJsonSchema(schema: unknown): unknown {
    if (Array.isArray(schema)) return schema.map(toJsonSchema);
    if (!isRecord(schema)) return schema;
    const result: Record<string, unknown> = {};
    for (const [key, value] of Object.entries(schema)) {
        if (key === "default" || key === "example" || key === "description" || key === "enum") {
            if (key === "enum") result[key] = value;
        } else if (MAPS.has(key) && isRecord(value)) {
            result[key] = Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, toJsonSchema(inner)]));
        } else if (key.startsWith("x-kubernetes-")) {
            if (key === "x-kubernetes-int-or-string" && value === true) result["type"] = ["integer", "string"];
        } else result[key] = toJsonSchema(value);
    }
    if (schema["exclusiveMinimum"] === true) {
        result["exclusiveMinimum"] = schema["minimum"];
        delete result["minimum"];
    } else if (schema["exclusiveMinimum"] === false) delete result["exclusiveMinimum"];
    if (schema["exclusiveMaximum"] === true) {
        result["exclusiveMaximum"] = schema["maximum"];
        delete result["maximum"];
    } else if (schema["exclusiveMaximum"] === false) delete result["exclusiveMaximum"];
    if (schema["nullable"] === true && result["type"] === undefined) delete result["nullable"];
    if (Array.isArray(result["type"]) && schema["nullable"] === true) {
        result["type"] = [...(result["type"] as string[]), "null"];
        delete result["nullable"];
    }
    return result;
}

/** anyOf, oneOf and the like only repeat what their parts say. */
const isWrapper = ({ keyword }: ErrorObject): boolean => keyword === "if";

function fieldError(error: ErrorObject, object: unknown): FieldError {
    const field = fieldPath(error.instancePath, object);
    const inBody = field === "" ? "<nil>" : field;
    const { keyword, params, data } = error;
    const limit = (params as { limit?: unknown }).limit;
    switch (keyword) {
        case "required": {
            const missing = String((params as { missingProperty?: unknown }).missingProperty);
            return required(field === "" ? missing : `${field}.${missing}`);
        }
        case "type":
            return invalidValue(
                inBody,
                typeName(data),
                `${inBody} in body must be of type ${typesOf(params)}: "${typeName(data)}"`,
            );
        case "enum":
            return notSupported(
                inBody,
                data,
                ((params as { allowedValues?: unknown[] }).allowedValues ?? []).map(String),
            );
        case "pattern":
            return invalidValue(
                inBody,
                data,
                `${inBody} in body should match '${String((params as { pattern?: unknown }).pattern)}'`,
            );
        case "minimum":
            return invalidValue(inBody, data, `${inBody} in body should be greater than or equal to ${String(limit)}`);
        case "maximum":
            return invalidValue(inBody, data, `${inBody} in body should be less than or equal to ${String(limit)}`);
        case "minLength":
            return invalidValue(inBody, data, `${inBody} in body should be at least ${String(limit)} chars long`);
        case "maxLength":
            return {
                reason: "FieldValueTooLong",
                field: inBody,
                detail: `Too long: may not be more than ${String(limit)} bytes`,
            };
        case "minItems":
            return invalidValue(
                inBody,
                Array.isArray(data) ? data.length : 0,
                `${inBody} in body should have at least ${String(limit)} items`,
            );
        case "maxItems":
            return {
                reason: "FieldValueTooMany",
                field: inBody,
                detail: `Too many: ${Array.isArray(data) ? data.length : 0}: must have at most ${String(limit)} items`,
            };
        default:
            return invalidValue(inBody, data, `${inBody} in body ${error.message ?? "is invalid"}`);
    }
}

const typesOf = (params: unknown): string => {
    const { type } = params as { type?: string | string[] };
    return Array.isArray(type) ? type.join(",") : String(type);
};

function typeName(value: unknown): string {
    if (value === null) return "null";
    if (Array.isArray(value)) return "array";
    return Number.isInteger(value) ? "integer" : typeof value;
}

/** "/spec/list/0/name" to "spec.list[0].name". */
function fieldPath(pointer: string, object: unknown): string {
    let path = "";
    let value: unknown = object;
    for (const raw of pointer.split("/").slice(1)) {
        const step = raw.replaceAll("~1", "/").replaceAll("~0", "~");
        path += Array.isArray(value) ? `[${step}]` : path === "" ? step : `.${step}`;
        value = typeof value === "object" && value !== null ? (value as Record<string, unknown>)[step] : undefined;
    }
    return path;
}
