// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { packageRoot, TestNodeRed } from "../support/node-red.ts";

interface NodeSet {
    readonly id: string;
    readonly name: string;
    readonly module: string;
    readonly types: readonly string[];
    readonly err?: unknown;
}

const declared = JSON.parse(readFileSync(join(packageRoot, "package.json"), "utf8")) as {
    name: string;
    "node-red": { nodes: Record<string, string>; plugins: Record<string, string> };
};

/** Node-RED's level numbers: 10 fatal, 20 error, 30 warn. */
const ERROR = 20;

describe.each(["node-red", "node-red-v4"])("the package in %s", (nodeRed) => {
    let red: TestNodeRed;
    let sets: readonly NodeSet[];
    beforeAll(async () => {
        red = await TestNodeRed.start({ nodeRed, flows: [] });
        sets = ((await red.json("/nodes")) as NodeSet[]).filter(({ module }) => module === declared.name);
    });
    afterAll(() => red.stop());

    test("every node set loads and brings the type of its name", () => {
        expect(sets.map(({ name }) => name).sort()).toEqual(Object.keys(declared["node-red"].nodes).sort());
        expect(sets.filter(({ err }) => err !== undefined)).toEqual([]);
        for (const { name, types } of sets) expect(types).toEqual([name]);
    });

    test("nothing is said at error level", () => {
        expect(red.log.filter(({ level }) => level <= ERROR)).toEqual([]);
    });

    test.each(Object.keys(declared["node-red"].nodes))("%s has its texts and its help", async (type) => {
        const catalogue = (await red.json(`/locales/${declared.name}/${type}?lng=en-US`)) as Record<string, unknown>;
        expect(Object.keys(catalogue)).toContain(type);
    });
});
