// SPDX-License-Identifier: Apache-2.0
import { isRedgeError } from "../../src/core/errors/redge-error.ts";
import type { NodeShell } from "./shell.ts";

/** Somebody has to open the editor first: trying again by itself would change nothing. */
export function needsConfiguring(thrown: unknown): boolean {
    return isRedgeError(thrown, "REDGE_CONFIG_INVALID", "REDGE_NODE_NOT_CHOSEN");
}

/** What Catch nodes and `done` get: always an Error; ours carry `code`. */
export function toError(thrown: unknown): Error {
    return thrown instanceof Error ? thrown : new Error(String(thrown));
}

/** Failures that have been told: a config node tells its own, and every node that waits for it gets the same error. */
const told = new WeakSet<Error>();

/** A node could not start: shown in its status and, if it is news, told to Catch nodes on its tab and to the launcher. */
export function reportStartFailure(shell: NodeShell, thrown: unknown, news: boolean): void {
    const error = toError(thrown);
    shell.status.fail(error.message, needsConfiguring(thrown) ? "ring" : "dot");
    if (news) shell.red.settings.redge?.failed?.(error, shell.node.type);
    if (told.has(error)) return;
    told.add(error);
    if (news) shell.node.error(error, {});
}
