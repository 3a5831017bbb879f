// SPDX-License-Identifier: Apache-2.0
import { catalogue, type ErrorCode } from "./catalogue.ts";

/** Values that fill the `{name}` places of a catalogue text. Never put a secret here: they end in logs. */
export type ErrorDetails = Readonly<Record<string, string | number | boolean | undefined>>;

/**
 * The only error type that Redge throws on purpose. `code` is stable and documented in docs/errors.md; `message` says
 * what happened, `remedy` how to mend it.
 */
export class RedgeError extends Error {
    override readonly name = "RedgeError";
    readonly code: ErrorCode;
    readonly details: ErrorDetails;

    constructor(code: ErrorCode, details: ErrorDetails = {}, cause?: unknown) {
        super(fill(catalogue[code].message, details), cause === undefined ? undefined : { cause });
        this.code = code;
        this.details = details;
    }

    /** How to mend it, for people. */
    get remedy(): string {
        return fill(catalogue[this.code].remedy, this.details);
    }
}

/** True for a RedgeError (of one of the given codes, when any are given). */
export function isRedgeError(thrown: unknown, ...codes: readonly ErrorCode[]): thrown is RedgeError {
    return thrown instanceof RedgeError && (codes.length === 0 || codes.includes(thrown.code));
}

/** The text of anything that was thrown, for logs and status lines. */
export function errorText(thrown: unknown): string {
    return thrown instanceof Error ? thrown.message : String(thrown);
}

function fill(template: string, details: ErrorDetails): string {
    return template.replace(/\{(\w+)\}/g, (whole, name: string) => String(details[name] ?? whole));
}
