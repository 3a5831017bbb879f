// SPDX-License-Identifier: Apache-2.0
// What `npm start` and `npm test` need before anything else, with nothing but the Node.js and npm that started them.
import { spawnSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";

/** Runs one step, its output shown; ends this process with one clear line when it fails. `what` names it. */
export function step(root, what, command, args) {
    const { status, error } = spawnSync(command, args, { cwd: root, stdio: ["ignore", "inherit", "inherit"] });
    if (status === 0) return;
    process.stderr.write(`redge: ${what} failed${error ? `: ${error.message}` : ""}\n`);
    process.exit(1);
}

/**
 * Installs the packages that the lock file names, unless they are there. Answers the Node.js to go on with: Node-RED 5 needs 22.9, and
 * the package `node` puts a newer one here for hosts with an older Node.js.
 */
export function installIfNeeded(root) {
    const installed = join(root, "node_modules/.package-lock.json");
    const lock = join(root, "package-lock.json");
    if (!existsSync(installed) || statSync(installed).mtimeMs < statSync(lock).mtimeMs) {
        process.stdout.write("Installing packages …\n");
        step(root, "Installing packages", "npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"]);
    }
    const own = join(root, "node_modules/node/bin/node");
    return existsSync(own) ? own : process.execPath;
}
