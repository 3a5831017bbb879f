// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "./command.ts";
import { packageRoot } from "./package-root.ts";

export function version(): string {
    const { version } = JSON.parse(readFileSync(join(packageRoot, "package.json"), "utf8")) as { version: string };
    return version;
}

/** What `redge --help` prints. */
export function overview(commands: readonly Command[]): string {
    const width = Math.max(...commands.map(({ name }) => name.length));
    const rows = commands.map(({ name, summary }) => `  redge ${name.padEnd(width)}   ${summary}`);
    return [
        "redge: KubeEdge as Node-RED flows",
        "",
        ...rows,
        `  redge --version${" ".repeat(Math.max(1, width - 6))}prints the version`,
        "",
        "Each command explains itself with --help. Data lives in ~/.redge, or where REDGE_HOME points.",
        "",
    ].join("\n");
}
