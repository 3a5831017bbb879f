// SPDX-License-Identifier: Apache-2.0
// `npm start`: from a fresh clone to a running site. Installs and builds what is missing, then hands over to `redge site`.
// Needs nothing but the Node.js and npm that started it.
import { spawn } from "node:child_process";
import { join, resolve } from "node:path";
import { installIfNeeded, step } from "./install.mjs";

const root = resolve(import.meta.dirname ?? new URL(".", import.meta.url).pathname, "..");
const node = installIfNeeded(root);
step(root, "Building", node, [join(root, "scripts/build.mjs"), "--if-needed"]);

const site = spawn(node, [join(root, "dist/cli/redge.js"), "site", ...process.argv.slice(2)], { stdio: "inherit" });
// Ctrl-C reaches the whole process group by itself; a signal sent to this process alone is passed on.
process.on("SIGINT", () => {});
process.on("SIGTERM", () => site.kill("SIGTERM"));
site.on("exit", (code, signal) => process.exit(code ?? (signal === null ? 0 : 1)));
