// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { checkFlow } from "../../scripts/check/flows.mjs";
import { checkPackage } from "../../scripts/check-package.mjs";
import { packageRoot } from "../support/node-red.ts";

test("the built package is what the flow library, the palette and an importer expect", () => {
    expect(checkPackage(packageRoot)).toEqual([]);
});

test("the check of flow files finds what is wrong with one", () => {
    const nodes = [
        { id: "t", type: "tab", label: "t" },
        { id: "a", type: "debug", z: "t", x: 1, y: 1, wires: [["elsewhere"]] },
        { id: "a", type: "nobody", z: "gone", x: 1, y: 1, wires: [], credentials: { token: "x" } },
    ];
    const problems = checkFlow("x.json", nodes, new Set(["debug"]), new Set());
    for (const words of [
        "used twice",
        "a wire leads to elsewhere",
        "nobody has this type",
        "its tab gone",
        "credentials",
    ]) {
        expect(problems.join("\n")).toContain(words);
    }
});
