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

/** A node could not start: shown in its status, told to Catch nodes on its tab, and to the launcher. */
export function reportStartFailure(shell: NodeShell, thrown: unknown): void {
    const error = toError(thrown);
    shell.status.fail(error.message, needsConfiguring(thrown) ? "ring" : "dot");
    shell.node.error(error, {});
    shell.red.settings.redge?.failed?.(thrown);
}
