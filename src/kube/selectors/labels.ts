// SPDX-License-Identifier: Apache-2.0
import { badRequest } from "../rest/status.ts";

type Labels = Readonly<Record<string, string>> | undefined;
export type LabelMatcher = (labels: Labels) => boolean;

interface Requirement {
    readonly key: string;
    readonly operator: "in" | "notin" | "exists" | "!" | "gt" | "lt";
    readonly values: readonly string[];
}

const NAME = "[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?";
const KEY = new RegExp(`^(?:[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?/)?${NAME}$`);
const VALUE = new RegExp(`^(?:${NAME})?$`);
const SET_BASED = /^(\S+)\s+(in|notin)\s*\(([^)]*)\)$/;
const EQUALITY = /^([^=!<>\s]+)\s*(==|!=|=|>|<)\s*(\S*)$/;

export const everything: LabelMatcher = () => true;

/**
 * Reads a label selector: equality (`a=b`, `a==b`, `a!=b`), set based (`a in (b,c)`, `a notin (b)`), existence
 * (`a`, `!a`) and comparison (`a>1`), separated by commas.
 * @throws 400 when it does not parse
 */
export function parseLabelSelector(text: string): LabelMatcher {
    const requirements = splitTopLevel(text).map((part) => parseRequirement(part, text));
    if (requirements.length === 0) return everything;
    return (labels) => requirements.every((requirement) => matches(requirement, labels ?? {}));
}

/** metav1.LabelSelector (`matchLabels`, `matchExpressions`). An absent one matches nothing, an empty one everything. */
export function labelSelectorMatcher(selector: unknown): LabelMatcher {
    if (typeof selector !== "object" || selector === null) return () => false;
    const { matchLabels, matchExpressions } = selector as { matchLabels?: unknown; matchExpressions?: unknown };
    const requirements: Requirement[] = Object.entries((matchLabels ?? {}) as Record<string, string>).map(
        ([key, value]) => ({ key, operator: "in", values: [value] }),
    );
    for (const expression of Array.isArray(matchExpressions) ? matchExpressions : []) {
        const { key, operator, values } = expression as { key: string; operator: string; values?: string[] };
        requirements.push({ key, operator: OPERATORS[operator] ?? "exists", values: values ?? [] });
    }
    return (labels) => requirements.every((requirement) => matches(requirement, labels ?? {}));
}

const OPERATORS: Readonly<Record<string, Requirement["operator"]>> = {
    In: "in",
    NotIn: "notin",
    Exists: "exists",
    DoesNotExist: "!",
};

function splitTopLevel(text: string): string[] {
    const parts: string[] = [];
    let depth = 0;
    let current = "";
    for (const character of text) {
        if (character === "(") depth += 1;
        if (character === ")") depth -= 1;
        if (character === "," && depth === 0) {
            parts.push(current);
            current = "";
        } else current += character;
    }
    parts.push(current);
    return parts.map((part) => part.trim()).filter((part) => part !== "");
}

function parseRequirement(part: string, whole: string): Requirement {
    const set = SET_BASED.exec(part);
    if (set !== null) {
        const values = (set[3] ?? "").split(",").map((value) => value.trim());
        return checked({ key: set[1] ?? "", operator: set[2] as "in" | "notin", values }, whole);
    }
    const equality = EQUALITY.exec(part);
    if (equality !== null) {
        const operator = ({ "=": "in", "==": "in", "!=": "notin", ">": "gt", "<": "lt" } as const)[equality[2] ?? "="];
        return checked({ key: equality[1] ?? "", operator: operator ?? "in", values: [equality[3] ?? ""] }, whole);
    }
    if (part.startsWith("!")) return checked({ key: part.slice(1).trim(), operator: "!", values: [] }, whole);
    return checked({ key: part, operator: "exists", values: [] }, whole);
}

function checked(requirement: Requirement, whole: string): Requirement {
    const wrong = !KEY.test(requirement.key) || requirement.values.some((value) => !VALUE.test(value));
    if (wrong) throw badRequest(`unable to parse requirement: "${whole}" is not a label selector`);
    return requirement;
}

function matches({ key, operator, values }: Requirement, labels: Readonly<Record<string, string>>): boolean {
    const value = Object.hasOwn(labels, key) ? labels[key] : undefined;
    if (operator === "exists") return value !== undefined;
    if (operator === "!") return value === undefined;
    if (operator === "notin") return value === undefined || !values.includes(value);
    if (value === undefined) return false;
    if (operator === "in") return values.includes(value);
    const left = Number(value);
    const right = Number(values[0]);
    return operator === "gt" ? left > right : left < right;
}
