// SPDX-License-Identifier: Apache-2.0
import { spawnSync } from "node:child_process";
import { resolve } from "node:path";
import { expect, test } from "vitest";

/**
 * The short form; `npm run faults:link` is the long one (500 faults, half an hour of the ends' time). Two processes, a
 * network between them that is cut, stalled and closed and that delivers twice and out of order, kill -9 of either, an
 * API server that goes away, a full disk and clocks that jump, while both ends change.
 */
test("cloud and edge agree after 40 faults; nothing is lost, doubled or out of order", { timeout: 600_000 }, () => {
    const root = resolve(import.meta.dirname, "../..");
    const script = ["scripts/run-ts.mjs", "test/support/link/faults/main.ts", "40"];
    const { status, stdout } = spawnSync(process.execPath, script, { cwd: root, encoding: "utf8", timeout: 590_000 });
    const summary = JSON.parse(stdout.trim().split("\n").at(-1) ?? "{}") as { findings?: string[]; faults?: unknown };
    expect(summary.findings, JSON.stringify(summary)).toEqual([]);
    expect(status).toBe(0);
});
