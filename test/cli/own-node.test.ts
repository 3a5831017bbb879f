// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { handOver, runsNodeRed } from "../../cli/host/own-node.ts";

test.each([
    ["20.20.2", false],
    ["22.8.0", false],
    ["22.9.0", true],
    ["24.0.1", true],
])("Node.js %s runs Node-RED 5: %s", (version, expected) => {
    expect(runsNodeRed(version)).toBe(expected);
});

describe("handing over to another Node.js", () => {
    let folder: string;
    beforeEach(() => {
        folder = mkdtempSync(join(tmpdir(), "redge-own-node-"));
    });
    afterEach(() => rmSync(folder, { recursive: true, force: true }));

    const script = (text: string): string => {
        const path = join(folder, "script.cjs");
        writeFileSync(path, text);
        return path;
    };

    test("ends with the exit code of the command, which has got its arguments", async () => {
        const path = script(`process.exit(process.argv[2] === "token" ? 7 : 1)`);
        expect(await handOver(process.execPath, path, ["token"])).toBe(7);
    });

    test("counts an end by a signal as a failure", async () => {
        const path = script(`process.kill(process.pid, "SIGKILL")`);
        expect(await handOver(process.execPath, path, [])).toBe(1);
    });

    test("says when there is nothing to hand over to", async () => {
        await expect(handOver(join(folder, "none"), script(""), [])).rejects.toThrow(/ENOENT/);
    });
});
