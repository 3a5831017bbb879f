// SPDX-License-Identifier: Apache-2.0
// `npm start`: from a fresh clone to a running site. Installs and builds what is missing, then hands over to `redge site`.
// Needs nothing but the Node.js and npm that started it.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { join, resolve } from "node:path";

const root = resolve(import.meta.dirname ?? new URL(".", import.meta.url).pathname, "..");
const installed = join(root, "node_modules/.package-lock.json");
const lock = join(root, "package-lock.json");

function run(what, command, args) {
    const { status, error } = spawnSync(command, args, { cwd: root, stdio: ["ignore", "inherit", "inherit"] });
    if (status === 0) return;
    process.stderr.write(`redge: ${what} failed${error ? `: ${error.message}` : ""}\n`);
    process.exit(1);
}

if (!existsSync(installed) || statSync(installed).mtimeMs < statSync(lock).mtimeMs) {
    process.stdout.write("Installing packages …\n");
    run("Installing packages", "npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"]);
}

// Node-RED 5 needs Node.js 22.9; the package `node` has put a newer one here for hosts with an older Node.js.
const own = join(root, "node_modules/node/bin/node");
const node = existsSync(own) ? own : process.execPath;
run("Building", node, [join(root, "scripts/build.mjs"), "--if-needed"]);

const site = spawn(node, [join(root, "dist/cli/redge.js"), "site", ...process.argv.slice(2)], { stdio: "inherit" });
// Ctrl-C reaches the whole process group by itself; a signal sent to this process alone is passed on.
process.on("SIGINT", () => {});
process.on("SIGTERM", () => site.kill("SIGTERM"));
site.on("exit", (code, signal) => process.exit(code ?? (signal === null ? 0 : 1)));
