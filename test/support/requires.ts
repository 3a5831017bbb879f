// SPDX-License-Identifier: Apache-2.0
import { spawnSync } from "node:child_process";
import { appendFileSync, existsSync } from "node:fs";
import { describe } from "vitest";

/** A part of the machine that some tests need. `probe` answers undefined when it is there, else the reason it is not. */
export interface Part {
    readonly name: string;
    probe(): string | undefined;
}

/** A program on the PATH (or one of several absolute places). */
export function program(name: string, ...places: string[]): Part {
    return {
        name,
        probe: () => {
            if (places.some((place) => existsSync(place))) return undefined;
            const found = spawnSync("sh", ["-c", `command -v ${name}`]).status === 0;
            return found ? undefined : `${name} is not installed`;
        },
    };
}

/** A file or folder that must exist. */
export function file(name: string, path: string): Part {
    return { name, probe: () => (existsSync(path) ? undefined : `${path} does not exist`) };
}

/** Where skips are noted, so that the summary can name each with its reason (one JSON object a line). */
export const skipLog = process.env["REDGE_TEST_SKIP_LOG"];

/**
 * `describe` for tests that need real parts. Where a part is missing the suite is skipped by name and reason;
 * in CI (CI=true) a missing part is a failure, never a skip.
 */
export function describeWith(parts: readonly Part[], title: string, body: () => void): void {
    const reasons = parts.map((part) => part.probe()).filter((reason) => reason !== undefined);
    if (reasons.length === 0) {
        describe(title, body);
        return;
    }
    const reason = reasons.join("; ");
    if (process.env["CI"] === "true") throw new Error(`"${title}" cannot run in CI: ${reason}`);
    if (skipLog !== undefined) appendFileSync(skipLog, `${JSON.stringify({ title, reason })}\n`);
    describe.skip(`${title} [skipped: ${reason}]`, body);
}
