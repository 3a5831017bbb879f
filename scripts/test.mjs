// SPDX-License-Identifier: Apache-2.0
// `npm test [-- vitest arguments]`: builds when needed, then runs every project and says what was skipped and why.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const root = resolve(import.meta.dirname, "..");
const scratch = mkdtempSync(join(tmpdir(), "redge-test-"));
const env = { ...process.env, REDGE_TEST_SKIP_LOG: join(scratch, "skips.jsonl") };
const run = (script, args) =>
    spawnSync(process.execPath, [script, ...args], { cwd: root, env, stdio: "inherit" }).status ?? 1;

let status = run(join(root, "scripts/build.mjs"), ["--if-needed"]);
if (status === 0) status = run(join(root, "node_modules/vitest/vitest.mjs"), ["run", ...process.argv.slice(2)]);
rmSync(scratch, { recursive: true, force: true });
process.exit(status);
