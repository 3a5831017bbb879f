// SPDX-License-Identifier: Apache-2.0
import { existsSync, readFileSync } from "node:fs";
import type { Reporter, TestModule } from "vitest/node";

/** Closes a run with what was skipped and why, then one plain line of counts. */
export default class SummaryReporter implements Reporter {
    onTestRunEnd(modules: readonly TestModule[]): void {
        const count = { passed: 0, failed: 0, skipped: 0 };
        for (const module of modules) {
            if (module.errors().length > 0) count.failed += 1;
            for (const test of module.children.allTests()) {
                const { state } = test.result();
                if (state === "passed" || state === "failed" || state === "skipped") count[state] += 1;
            }
        }
        const log = process.env["REDGE_TEST_SKIP_LOG"];
        if (log !== undefined && existsSync(log)) {
            const lines = [...new Set(readFileSync(log, "utf8").split("\n").filter(Boolean))];
            for (const line of lines) {
                const { title, reason } = JSON.parse(line) as { title: string; reason: string };
                process.stdout.write(`skipped: ${title}: ${reason}\n`);
            }
        }
        process.stdout.write(`${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped\n`);
    }
}
