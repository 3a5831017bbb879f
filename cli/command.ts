// SPDX-License-Identifier: Apache-2.0
import { type ParseArgsConfig, parseArgs } from "node:util";
import { errorText } from "../src/core/errors/redge-error.ts";
import { UsageError } from "./failure.ts";

/**
 * One word behind `redge`. `run` answers the exit code and throws RedgeError or UsageError. Every process loads every command: what one
 * alone needs is imported by its `run`, or a gateway would hold a reader of YAML and a client of the API for `redge site`.
 */
export interface Command {
    readonly name: string;
    readonly summary: string;
    readonly help: string;
    /** Its arguments are another program's: help is given for a lone --help only. */
    readonly passesOn?: boolean;
    run(args: readonly string[]): Promise<number>;
}

/**
 * Reads options strictly.
 * @throws UsageError naming what is not understood
 */
export function readOptions<Options extends NonNullable<ParseArgsConfig["options"]>>(
    args: readonly string[],
    options: Options,
) {
    try {
        return parseArgs({ args: [...args], options, strict: true, allowPositionals: false }).values;
    } catch (thrown) {
        throw new UsageError(errorText(thrown).split(". ")[0] ?? "the options are not understood");
    }
}

/** "24h", "90m", "45s", "7d" as milliseconds. */
export function parseDurationMs(text: string, option: string): number {
    const match = /^(\d+)([smhd])$/.exec(text);
    const unitMs = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }[match?.[2] ?? ""];
    if (match === null || unitMs === undefined)
        throw new UsageError(`--${option} wants a duration such as 30m, 24h or 7d, not "${text}"`);
    return Number(match[1]) * unitMs;
}
