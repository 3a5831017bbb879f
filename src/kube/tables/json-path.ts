// SPDX-License-Identifier: Apache-2.0

/**
 * Compiles the JSONPath subset of printer columns: `.a.b`, `["a.b"]`, `[0]`, `[*]`, `[-1]` and filters
 * `[?(@.type=="Ready")]`. The compiled path answers every match.
 */
export function compileJsonPath(path: string): (value: unknown) => unknown[] {
    const steps = tokens(path.trim().replace(/^\{|\}$/g, "")).map(step);
    return (value) => steps.reduce<unknown[]>((found, take) => found.flatMap(take), [value]);
}

type Step = (value: unknown) => unknown[];

function tokens(path: string): string[] {
    return path.replace(/^\$/, "").match(/\[(?:[^\]"']|"[^"]*"|'[^']*')*\]|\.?(?:\\.|[^.[\\])+/g) ?? [];
}

function step(token: string): Step {
    const inner = token.startsWith("[") ? token.slice(1, -1).trim() : undefined;
    if (inner === undefined) {
        const name = token.replace(/^\./, "").replace(/\\(.)/g, "$1");
        return name === "*" ? every : (value) => member(value, name);
    }
    if (inner === "*") return every;
    const quoted = /^(["'])(.*)\1$/.exec(inner);
    if (quoted !== null) return (value) => member(value, quoted[2] ?? "");
    if (/^-?\d+$/.test(inner)) return (value) => (Array.isArray(value) ? present(value.at(Number(inner))) : []);
    return filter(inner);
}

const present = (value: unknown): unknown[] => (value === undefined || value === null ? [] : [value]);

function member(value: unknown, name: string): unknown[] {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) return [];
    return present((value as Record<string, unknown>)[name]);
}

const every: Step = (value) => (typeof value === "object" && value !== null ? Object.values(value) : []);

function filter(expression: string): Step {
    const match = /^\?\(\s*@(.+?)\s*(==|!=)\s*(["']?)(.*?)\3\s*\)$/.exec(expression);
    if (match === null) return () => [];
    const [, path = "", operator, , wanted] = match;
    const read = compileJsonPath(path);
    return (value) =>
        Array.isArray(value)
            ? value.filter((item) => (String(read(item)[0] ?? "") === wanted) === (operator === "=="))
            : [];
}
