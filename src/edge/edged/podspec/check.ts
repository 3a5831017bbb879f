// SPDX-License-Identifier: Apache-2.0
import { FIELDS, type FieldRule, type PodKind } from "./fields.ts";
import type { Pod } from "./types.ts";

export interface RefusedField {
    /** As people write it: spec.containers[0].resizePolicy. */
    readonly path: string;
    readonly why: string;
}

/** Fields of the pod that this node does not honour; unknown ones are among them. Empty values do not count. */
export function refusedFields(pod: Pod, kind: PodKind): readonly RefusedField[] {
    const refused: RefusedField[] = [];
    visit(pod.spec, { pattern: "spec", path: "spec" }, kind, refused);
    return refused;
}

interface Place {
    readonly pattern: string;
    readonly path: string;
}

function visit(value: unknown, place: Place, kind: PodKind, refused: RefusedField[]): void {
    if (isEmpty(value)) return;
    const { pattern, path } = place;
    const rule = FIELDS[pattern];
    const why = whyRefused(rule, value, kind);
    if (why !== undefined) {
        refused.push({ path, why });
        return;
    }
    if (rule?.whole === true) return;
    if (Array.isArray(value)) {
        value.forEach((item, index) => {
            visit(item, { pattern: `${pattern}[]`, path: `${path}[${index}]` }, kind, refused);
        });
    } else if (value !== null && typeof value === "object") {
        for (const [key, inner] of Object.entries(value)) {
            visit(inner, { pattern: `${pattern}.${key}`, path: `${path}.${key}` }, kind, refused);
        }
    }
}

function whyRefused(rule: FieldRule | undefined, value: unknown, kind: PodKind): string | undefined {
    if (rule === undefined) return "this field is not known";
    const flow = rule.flow ?? rule.container;
    const says = kind === "container" ? rule.container : kind === "flow" ? flow : (rule.isolated ?? flow);
    if (says === "refused") return rule.why ?? "not supported";
    if (rule.only !== undefined && typeof value !== "object" && !rule.only.includes(String(value))) {
        return `${JSON.stringify(value)} is not supported, only ${rule.only.join(", ")}`;
    }
    return undefined;
}

function isEmpty(value: unknown): boolean {
    if (value === undefined || value === null || value === "" || value === false) return true;
    // API servers fill in `securityContext: {}` and the like.
    if (typeof value === "object") return Object.values(value).every(isEmpty);
    return false;
}
