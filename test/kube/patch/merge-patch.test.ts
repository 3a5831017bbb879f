// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import { applyMergePatch } from "../../../src/kube/patch/merge-patch.ts";

/** RFC 7386, appendix A: original, patch, result. */
const VECTORS: readonly [unknown, unknown, unknown][] = [
    [{ a: "b" }, { a: "c" }, { a: "c" }],
    [{ a: "b" }, { b: "c" }, { a: "b", b: "c" }],
    [{ a: "b" }, { a: null }, {}],
    [{ a: "b", b: "c" }, { a: null }, { b: "c" }],
    [{ a: ["b"] }, { a: "c" }, { a: "c" }],
    [{ a: "c" }, { a: ["b"] }, { a: ["b"] }],
    [{ a: { b: "c" } }, { a: { b: "d", c: null } }, { a: { b: "d" } }],
    [{ a: [{ b: "c" }] }, { a: [1] }, { a: [1] }],
    [
        ["a", "b"],
        ["c", "d"],
        ["c", "d"],
    ],
    [{ a: "b" }, ["c"], ["c"]],
    [{ a: "foo" }, null, null],
    [{ a: "foo" }, "bar", "bar"],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [[1, 2], { a: "b", c: null }, { a: "b" }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
];

describe("JSON merge patch", () => {
    it.each(VECTORS)("%j with %j is %j", (original, patch, expected) => {
        expect(applyMergePatch(original, patch)).toEqual(expected);
    });

    it("treats __proto__ as a name", () => {
        const merged = applyMergePatch({}, JSON.parse('{"__proto__":{"polluted":1}}')) as object;
        expect(Object.keys(merged)).toEqual(["__proto__"]);
        expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
    });
});
