// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import { asNumber, asRecord, asRecords, asText, asTexts, isRecord } from "../../src/core/json.ts";

describe("tolerant readers", () => {
    test.each([undefined, null, 5, "text", true, [], () => {}])("%s is no object", (value) => {
        expect(isRecord(value)).toBe(false);
        expect(asRecord(value)).toEqual({});
        expect(asTexts(value)).toEqual({});
    });

    test("keep what is of the type and leave the rest out", () => {
        expect(asRecords([{ a: 1 }, null, "x", [1], { b: 2 }])).toEqual([{ a: 1 }, { b: 2 }]);
        expect(asRecords({ a: 1 })).toEqual([]);
        expect(asTexts({ a: "1", b: 2, c: "" })).toEqual({ a: "1", c: "" });
        expect([asText("x"), asText(""), asText(5)]).toEqual(["x", undefined, undefined]);
        expect([asNumber(5), asNumber(Number.NaN), asNumber("5")]).toEqual([5, undefined, undefined]);
    });
});
