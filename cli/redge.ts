#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
import { commands } from "./commands/index.ts";
import { EXIT_USAGE, printFailure, UsageError } from "./failure.ts";
import { overview, version } from "./help.ts";
import { handOver, newerNode } from "./host/own-node.ts";

/** `redge <command> [options]`: finds the command, and turns whatever it throws into one clear line and an exit code. */
async function main(args: readonly string[]): Promise<number> {
    const node = newerNode();
    if (node !== undefined) return handOver(node, __filename, args);
    const [name, ...rest] = args;
    if (name === undefined || name === "help" || name === "--help" || name === "-h") {
        process.stdout.write(overview(commands));
        return name === undefined ? EXIT_USAGE : 0;
    }
    if (name === "--version" || name === "-v") {
        process.stdout.write(`${version()}\n`);
        return 0;
    }
    const command = commands.find((candidate) => candidate.name === name);
    if (command === undefined) throw new UsageError(`redge has no command "${name}"`);
    const asksForHelp = rest.includes("--help") || rest.includes("-h");
    if (command.passesOn === true ? rest.length === 1 && asksForHelp : asksForHelp) {
        process.stdout.write(command.help);
        return 0;
    }
    return command.run(rest);
}

main(process.argv.slice(2)).then(
    (code) => process.exit(code),
    (thrown: unknown) => process.exit(printFailure(thrown)),
);
