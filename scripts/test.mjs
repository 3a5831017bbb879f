// SPDX-License-Identifier: Apache-2.0
// `npm test [-- vitest arguments]`: installs and builds when needed, runs the tests and says what was skipped and why. The long
// ones wait for `npm run test:long`, unless arguments choose otherwise.
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

const given = process.argv.slice(2);
const chosen = given.length > 0 ? given : ["fast", "real", "e2e"].flatMap((project) => ["--project", project]);

let status = run(join(root, "scripts/build.mjs"), ["--if-needed"]);
if (status === 0) status = run(join(root, "node_modules/vitest/vitest.mjs"), ["run", ...chosen]);
rmSync(scratch, { recursive: true, force: true });
if (given.length === 0)
    console.log(
        "left out: the long tests (images, installations, forms, outages, kills, faults, fuzz): npm run test:long",
    );
process.exit(status);
