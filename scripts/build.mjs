// SPDX-License-Identifier: Apache-2.0
// Builds dist/: runtime code by tsc, file by file; editor code by esbuild into the .html twin of each node; locales and icons beside.
//   --if-needed   does nothing when dist/ is newer than every source
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { assembleEditors } from "./build-editors.mjs";

const root = resolve(import.meta.dirname, "..");
const stamp = join(root, "dist/.built");
const sources = ["src", "nodes", "plugins", "cli", "scripts", "tsconfig.json", "package.json"];

function newestMs(path) {
    const stat = statSync(path);
    if (!stat.isDirectory()) return stat.mtimeMs;
    return Math.max(stat.mtimeMs, ...readdirSync(path).map((name) => newestMs(join(path, name))));
}

const newest = Math.max(...sources.map((name) => newestMs(join(root, name))));
if (process.argv.includes("--if-needed") && existsSync(stamp) && statSync(stamp).mtimeMs >= newest) process.exit(0);

process.stdout.write("Building …\n");
rmSync(stamp, { force: true });
const tsc = spawnSync(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-p", "tsconfig.json"], {
    cwd: root,
    stdio: "inherit",
});
if (tsc.status !== 0) process.exit(tsc.status ?? 1);
await assembleEditors(root);
chmodSync(join(root, "dist/cli/redge.js"), 0o755);
writeFileSync(stamp, "");
