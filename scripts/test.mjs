// SPDX-License-Identifier: Apache-2.0
// `npm test [-- vitest arguments]`: installs and builds when needed, then runs every project and says what was skipped and why.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join, resolve } from "node:path";
import { installIfNeeded } from "./install.mjs";

const root = resolve(import.meta.dirname ?? new URL(".", import.meta.url).pathname, "..");
const node = installIfNeeded(root);
const scratch = mkdtempSync(join(tmpdir(), "redge-test-"));
const path = [dirname(node), process.env.PATH].join(delimiter);
const env = { ...process.env, PATH: path, REDGE_TEST_SKIP_LOG: join(scratch, "skips.jsonl") };
const run = (script, args) => spawnSync(node, [script, ...args], { cwd: root, env, stdio: "inherit" }).status ?? 1;

let status = run(join(root, "scripts/build.mjs"), ["--if-needed"]);
if (status === 0) status = run(join(root, "node_modules/vitest/vitest.mjs"), ["run", ...process.argv.slice(2)]);
rmSync(scratch, { recursive: true, force: true });
process.exit(status);
