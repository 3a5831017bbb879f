// SPDX-License-Identifier: Apache-2.0
import { errorText, RedgeError } from "../src/core/errors/redge-error.ts";

export const EXIT_FAILURE = 1;
/** As most commands use it: the call's words are off. */
export const EXIT_USAGE = 2;

/** The call's words are off: said in one line, with where to look. */
export class UsageError extends Error {
    override readonly name = "UsageError";
}

/** A failure that a child process told its parent, already in words. */
export class ReportedFailure extends Error {
    override readonly name = "ReportedFailure";
}

/** One line for people, never a stack trace; answers the exit code. REDGE_DEBUG=1 adds the stack. */
export function printFailure(thrown: unknown): number {
    process.stderr.write(`redge: ${failureLine(thrown)}\n`);
    if (process.env["REDGE_DEBUG"] === "1" && thrown instanceof Error) process.stderr.write(`${thrown.stack}\n`);
    return thrown instanceof UsageError ? EXIT_USAGE : EXIT_FAILURE;
}

/** What happened, how to mend it, and the code to look up. */
export function failureLine(thrown: unknown): string {
    if (thrown instanceof RedgeError) return `${thrown.message}. ${thrown.remedy} [${thrown.code}]`;
    if (thrown instanceof UsageError) return `${thrown.message} (see redge --help)`;
    return errorText(thrown);
}
