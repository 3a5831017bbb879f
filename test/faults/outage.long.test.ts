// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { runOutage } from "../support/outage/run.ts";

/** The short form; `npm run test:outage` is an outage of ten minutes with 1,000 devices. */
test("no report is lost in an outage, though cloud and gateway are killed in it", { timeout: 600_000 }, async () => {
    const lines: string[] = [];
    const { figures, findings } = await runOutage({ outageSeconds: 30, devices: 40, everyMs: 1000 }, (line) =>
        lines.push(line),
    );
    expect(findings, JSON.stringify({ figures, lines })).toEqual([]);
    expect(Number(figures["  of them during the outage"])).toBeGreaterThan(200);
});
