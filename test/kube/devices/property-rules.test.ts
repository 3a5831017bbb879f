// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import { isBase64, isReported } from "../../../src/kube/devices/property-rules.ts";

describe("whether something is reported to the cloud", () => {
    test.each([
        [undefined, true],
        [null, true],
        [true, true],
        [false, false],
    ])("reportToCloud %s", (given, reported) => {
        expect(isReported(given)).toBe(reported);
    });
});

describe("values of type BYTES", () => {
    test.each([
        ["", true],
        ["AA==", true],
        ["+/8=", true],
        ["QUJD", true],
        ["QUJ", false],
        ["QUI", false],
        ["A===", false],
        ["_-8=", false],
        ["QUJD\n", false],
        ["QU JD", false],
        ["hello!", false],
    ])("%j", (text, valid) => {
        expect(isBase64(text)).toBe(valid);
    });

    test("64 KiB are checked in one pass", () => {
        expect(isBase64(`${"QUJD".repeat(16_384)}!`)).toBe(false);
        expect(isBase64("QUJD".repeat(16_384))).toBe(true);
    });
});
