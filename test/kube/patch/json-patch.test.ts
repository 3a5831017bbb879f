// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import { applyJsonPatch, PatchError } from "../../../src/kube/patch/json-patch.ts";

/** Examples of RFC 6902, appendix A, and cases around them. */
const GOOD: readonly [string, unknown, unknown[], unknown][] = [
    ["adds a member", { foo: "bar" }, [{ op: "add", path: "/baz", value: "qux" }], { foo: "bar", baz: "qux" }],
    [
        "adds an element",
        { foo: ["bar", "baz"] },
        [{ op: "add", path: "/foo/1", value: "qux" }],
        { foo: ["bar", "qux", "baz"] },
    ],
    ["appends", { foo: ["a"] }, [{ op: "add", path: "/foo/-", value: ["b"] }], { foo: ["a", ["b"]] }],
    ["removes a member", { baz: "qux", foo: "bar" }, [{ op: "remove", path: "/baz" }], { foo: "bar" }],
    ["removes an element", { foo: ["a", "b", "c"] }, [{ op: "remove", path: "/foo/1" }], { foo: ["a", "c"] }],
    ["replaces", { baz: "qux" }, [{ op: "replace", path: "/baz", value: "boo" }], { baz: "boo" }],
    [
        "moves a value",
        { foo: { bar: "b", waldo: "f" }, qux: {} },
        [{ op: "move", from: "/foo/waldo", path: "/qux/thud" }],
        { foo: { bar: "b" }, qux: { thud: "f" } },
    ],
    [
        "moves an element",
        { foo: ["all", "grass", "cows", "eat"] },
        [{ op: "move", from: "/foo/1", path: "/foo/3" }],
        { foo: ["all", "cows", "eat", "grass"] },
    ],
    [
        "copies",
        { a: { b: 1 } },
        [
            { op: "copy", from: "/a", path: "/c" },
            { op: "replace", path: "/c/b", value: 2 },
        ],
        { a: { b: 1 }, c: { b: 2 } },
    ],
    [
        "tests and goes on",
        { baz: "qux", foo: ["a", 2] },
        [
            { op: "test", path: "/baz", value: "qux" },
            { op: "test", path: "/foo/1", value: 2 },
        ],
        { baz: "qux", foo: ["a", 2] },
    ],
    [
        "compares objects whatever their order",
        { a: { b: 1, c: 2 } },
        [{ op: "test", path: "/a", value: { c: 2, b: 1 } }],
        { a: { b: 1, c: 2 } },
    ],
    [
        "reads ~0 and ~1",
        { "/": 9, "~1": 10 },
        [
            { op: "test", path: "/~01", value: 10 },
            { op: "remove", path: "/~1" },
        ],
        { "~1": 10 },
    ],
    ["replaces the whole document", { a: 1 }, [{ op: "replace", path: "", value: [1] }], [1]],
    ["writes null", { a: 1 }, [{ op: "add", path: "/b", value: null }], { a: 1, b: null }],
    ["treats __proto__ as a name", {}, [{ op: "add", path: "/__proto__", value: 1 }], JSON.parse('{"__proto__":1}')],
];

const BAD: readonly [string, unknown, unknown][] = [
    ["no list", {}, { op: "add" }],
    ["an unknown operation", {}, [{ op: "spam", path: "/a" }]],
    ["no path", {}, [{ op: "add", value: 1 }]],
    ["a missing parent", { foo: "bar" }, [{ op: "add", path: "/baz/bat", value: "qux" }]],
    ["a missing member", { a: 1 }, [{ op: "remove", path: "/b" }]],
    ["replacing what is not there", { a: 1 }, [{ op: "replace", path: "/b", value: 1 }]],
    ["an index behind the end", { a: [1] }, [{ op: "add", path: "/a/2", value: 1 }]],
    ["an index with leading zero", { a: [1, 2] }, [{ op: "remove", path: "/a/01" }]],
    ["a negative index", { a: [1] }, [{ op: "remove", path: "/a/-1" }]],
    ["a test that fails", { a: "1" }, [{ op: "test", path: "/a", value: 1 }]],
    ["moving into itself", { a: { b: 1 } }, [{ op: "move", from: "/a", path: "/a/c" }]],
    ["copy without from", { a: 1 }, [{ op: "copy", path: "/b" }]],
    ["a path that is no pointer", { a: 1 }, [{ op: "remove", path: "a" }]],
];

describe("JSON patch", () => {
    it.each(GOOD)("%s", (_title, document, patch, expected) => {
        const before = structuredClone(document);
        expect(applyJsonPatch(document, patch)).toEqual(expected);
        expect(document).toEqual(before);
    });

    it.each(BAD)("refuses %s", (_title, document, patch) => {
        expect(() => applyJsonPatch(document, patch)).toThrow(PatchError);
    });

    it("never reaches the prototype of objects", () => {
        expect(() => applyJsonPatch({}, [{ op: "add", path: "/__proto__/polluted", value: 1 }])).toThrow(PatchError);
        expect(() => applyJsonPatch({}, [{ op: "add", path: "/constructor/prototype/polluted", value: 1 }])).toThrow(
            PatchError,
        );
        expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
    });
});
