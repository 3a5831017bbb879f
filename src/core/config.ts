// SPDX-License-Identifier: Apache-2.0
import { Ajv, type ErrorObject, type ValidateFunction } from "ajv";
import { RedgeError } from "./errors/redge-error.ts";

/** A JSON Schema (draft 2020 subset of ajv) for the configuration of one component; `default`s are applied. */
export type ConfigSchema = Readonly<Record<string, unknown>> & {
    readonly properties: Readonly<Record<string, unknown>>;
};

const ajv = new Ajv({ coerceTypes: true, useDefaults: true, allErrors: true, strict: true });
const compiled = new WeakMap<ConfigSchema, ValidateFunction>();
const UNRESOLVED = /^\$\{[^}]+\}$/;

/**
 * Reads a component's configuration: keeps what the schema names, drops blanks and environment references that nothing
 * defined (`${NAME}` left as text), coerces strings to numbers and booleans, applies defaults, validates and freezes.
 * @throws REDGE_CONFIG_INVALID naming the first field that is wrong
 */
export function parseConfig<T>(schema: ConfigSchema, raw: unknown): Readonly<T> {
    const given = (raw ?? {}) as Record<string, unknown>;
    const config: Record<string, unknown> = {};
    for (const key of Object.keys(schema.properties)) {
        const value = given[key];
        const blank = value === undefined || value === null || value === "";
        if (blank || (typeof value === "string" && UNRESOLVED.test(value))) continue;
        config[key] = structuredClone(value);
    }
    let validate = compiled.get(schema);
    if (validate === undefined) {
        validate = ajv.compile(schema);
        compiled.set(schema, validate);
    }
    if (!validate(config)) throw new RedgeError("REDGE_CONFIG_INVALID", describe(validate.errors?.[0]));
    return Object.freeze(config) as Readonly<T>;
}

function describe(error: ErrorObject | undefined): { field: string; reason: string } {
    const missing = (error?.params as { missingProperty?: string } | undefined)?.missingProperty;
    if (missing !== undefined) return { field: missing, reason: "is missing" };
    return {
        field: error?.instancePath.slice(1).replaceAll("/", ".") || "configuration",
        reason: error?.message ?? "is invalid",
    };
}
