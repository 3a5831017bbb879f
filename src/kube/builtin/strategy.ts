// SPDX-License-Identifier: Apache-2.0
import { type Findings, inspect, prune, type Schema } from "../openapi/schema.ts";
import type { Strategy } from "../rest/resources.ts";
import { badRequest, type FieldError, required } from "../rest/status.ts";
import type { KubeObject } from "../types.ts";

/** A kind's own rules, to which its schema adds decoding and required fields. */
export function schemaStrategy(kind: string, version: string, schema: Schema | undefined, own: Strategy): Strategy {
    if (schema === undefined) return own;
    return {
        ...own,
        decode(object) {
            const findings: Findings = { unknown: [], wrongType: [], missing: [] };
            inspect(schema, object, "", findings);
            const [first] = findings.wrongType;
            if (first !== undefined) {
                throw badRequest(
                    `${kind} in version "${version}" cannot be handled as a ${kind}: json: cannot unmarshal ${first.found} into field ${first.path} of type ${first.wanted}`,
                );
            }
            if (findings.unknown.length > 0) prune(schema, object);
            return findings.unknown;
        },
        validate(object, current) {
            const errors = [...(own.validate?.(object, current) ?? [])];
            const named = new Set(errors.map((error) => error.field));
            return [...missingFields(schema, object).filter((error) => !named.has(error.field)), ...errors];
        },
    };
}

/** Status is written by the system, in steps: its required fields are not asked for. */
function missingFields(schema: Schema, object: KubeObject): FieldError[] {
    const findings: Findings = { unknown: [], wrongType: [], missing: [] };
    for (const [key, value] of Object.entries(object)) {
        const property = key === "status" || key === "metadata" ? undefined : schema.property(key);
        if (property !== undefined && value !== null) inspect(property, value, key, findings);
    }
    return findings.missing.map((field) => required(field));
}
