// SPDX-License-Identifier: Apache-2.0
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const root = join(import.meta.dirname, "../..");
/** Signs that fit in a line of the editor's information sidebar as wide as it opens. */
const WIDTH = 30;
const flows = ["edge-flows", "cloud-flows"].flatMap((folder) =>
    readdirSync(join(root, folder)).map((name) => `${folder}/${name}`),
);

test.each(flows)("what %s draws in its tabs' descriptions fits the sidebar", (file) => {
    const nodes = JSON.parse(readFileSync(join(root, file), "utf8")) as { type: string; info?: string }[];
    const drawn = nodes
        .filter(({ type }) => type === "tab")
        .flatMap(({ info = "" }) => info.split("\n"))
        .filter((line) => /^ {4}.*[─═├└]/.test(line));
    expect(drawn.filter((line) => line.length - 4 > WIDTH)).toEqual([]);
});
