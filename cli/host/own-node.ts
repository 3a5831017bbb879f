// SPDX-License-Identifier: Apache-2.0
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "../package-root.ts";

/** Node-RED 5 says so in its `engines`. */
const MAJOR = 22;
const MINOR = 9;

/** Whether Node.js of this version runs Node-RED 5. @param version as in `process.versions.node` */
export function runsNodeRed(version: string): boolean {
    const [major = 0, minor = 0] = version.split(".").map(Number);
    return major > MAJOR || (major === MAJOR && minor >= MINOR);
}

/**
 * The Node.js that the package `node` brought into a clone, when the one that runs this is too old for Node-RED.
 * Undefined when this one will do, or there is no other.
 */
export function newerNode(): string | undefined {
    if (runsNodeRed(process.versions.node)) return undefined;
    const path = join(packageRoot, "node_modules/node/bin/node");
    return existsSync(path) ? path : undefined;
}

/** Runs the command again under another Node.js and ends as it ends. Ctrl-C reaches both: they share the terminal. */
export function handOver(node: string, script: string, args: readonly string[]): Promise<number> {
    const child = spawn(node, [script, ...args], { stdio: "inherit" });
    const pass = (signal: NodeJS.Signals): void => {
        child.kill(signal);
    };
    process.on("SIGINT", () => {});
    process.on("SIGTERM", pass);
    process.on("SIGHUP", pass);
    return new Promise((resolve, reject) => {
        child.once("error", reject);
        child.once("exit", (code, signal) => resolve(code ?? (signal === null ? 0 : 1)));
    });
}
