// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { refusedFields } from "../../../../src/edge/edged/podspec/check.ts";
import { FIELDS } from "../../../../src/edge/edged/podspec/fields.ts";
import { podsPage } from "../../../../src/edge/edged/podspec/page.ts";
import type { Pod } from "../../../../src/edge/edged/podspec/types.ts";
import { pod } from "../harness.ts";
import kubernetes from "./kubernetes-1.32.json" with { type: "json" };

/** A pod with `value` at the pattern's path, the first item of every list on the way. */
function podWith(pattern: string, value: unknown): Pod {
    const made = pod("web", {});
    let at: Record<string, unknown> | unknown[] = made as unknown as Record<string, unknown>;
    const steps = pattern.replaceAll("[]", ".[]").split(".");
    steps.forEach((step, index) => {
        const last = index === steps.length - 1;
        const key = step === "[]" ? "0" : step;
        const holder = at as Record<string, unknown>;
        if (last) holder[key] = value;
        else {
            const empty = steps[index + 1] === "[]" ? [] : {};
            const there = holder[key];
            const fits = there !== undefined && Array.isArray(there) === Array.isArray(empty);
            holder[key] = fits ? there : empty;
            at = holder[key] as Record<string, unknown>;
        }
    });
    return made;
}

/** What a plain value at the pattern could be. */
function valueFor(pattern: string): unknown {
    const rule = FIELDS[pattern];
    if (rule?.only !== undefined) return rule.only[0];
    const isParent = Object.keys(FIELDS).some(
        (other) => other.startsWith(`${pattern}.`) || other.startsWith(`${pattern}[`),
    );
    return isParent ? undefined : { any: "thing" };
}

describe("the table of pod fields", () => {
    const models: Readonly<Record<string, Readonly<Record<string, string>>>> = kubernetes;

    it("has a row for every field of PodSpec, Container and Volume of the API's own model", () => {
        const missing: string[] = [];
        const walk = (model: string, pattern: string): void => {
            for (const [name, type] of Object.entries(models[model] ?? {})) {
                const path = `${pattern}.${name}`;
                const rule = FIELDS[path];
                if (rule === undefined) missing.push(path);
                else if (rule.whole !== true) {
                    const [, list, single] = /^(?:Array<(V1\w+)>|(V1\w+))$/.exec(type) ?? [];
                    if (list !== undefined) walk(list, `${path}[]`);
                    if (single !== undefined) walk(single, path);
                }
            }
        };
        walk("V1PodSpec", "spec");
        expect(missing).toEqual([]);
    });

    it.each(Object.keys(FIELDS).filter((name) => valueFor(name) !== undefined))(
        "does or refuses %s as it says",
        (pattern) => {
            const rule = FIELDS[pattern];
            const path = pattern.replaceAll("[]", "[0]");
            const paths = (kind: "container" | "flow" | "isolated"): string[] =>
                refusedFields(podWith(pattern, valueFor(pattern)), kind).map((field) => field.path);
            const refusedByParent = (kind: "flow" | "isolated"): boolean =>
                Object.entries(FIELDS).some(([other, one]) => {
                    const answer = kind === "isolated" ? (one.isolated ?? one.flow) : one.flow;
                    return answer === "refused" && pattern.startsWith(other) && pattern !== other;
                });
            expect(paths("container").includes(path)).toBe(rule?.container === "refused");
            const flow = rule?.flow ?? rule?.container;
            if (!refusedByParent("flow")) expect(paths("flow").includes(path)).toBe(flow === "refused");
            if (!refusedByParent("isolated"))
                expect(paths("isolated").includes(path)).toBe((rule?.isolated ?? flow) === "refused");
        },
    );

    it.each(Object.entries(FIELDS).filter(([, { only }]) => only !== undefined))(
        "refuses other values of %s",
        (pattern) => {
            const fields = refusedFields(podWith(pattern, "something-else"), "container");
            expect(fields.map(({ path }) => path)).toContain(pattern.replaceAll("[]", "[0]"));
        },
    );

    it("refuses a field it does not know, and lets empty values pass", () => {
        expect(refusedFields(podWith("spec.brandNew", { on: true }), "container")).toEqual([
            { path: "spec.brandNew", why: "this field is not known" },
        ]);
        for (const empty of [undefined, null, "", false, [], {}]) {
            expect(refusedFields(podWith("spec.brandNew", empty), "container")).toEqual([]);
        }
    });

    it("is what docs/pods.md says", () => {
        expect(readFileSync(join(import.meta.dirname, "../../../../docs/pods.md"), "utf8")).toBe(podsPage());
    });
});
