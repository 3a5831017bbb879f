// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Clock, sleep } from "../../src/core/clock.ts";
import { RedgeError } from "../../src/core/errors/redge-error.ts";
import type { NodeRedHost, NodeStatus } from "./node-red.ts";

/** A small board that has other work takes its time. */
const READY_TIMEOUT_MS = 120_000;

/**
 * Waits until every node of the given types in the user's flow shows a green status.
 * @throws REDGE_CLI_NOT_READY naming the nodes that do not
 */
export async function nodesReady(
    host: NodeRedHost,
    role: string,
    userDir: string,
    types: readonly string[],
    clock: Clock,
): Promise<void> {
    const waiting = new Map<string, string>();
    for (const node of readFlowNodes(userDir))
        if (types.includes(node.type) && !node.d) waiting.set(node.id, node.type);
    const last = new Map<string, NodeStatus>();
    await host.started;
    if (waiting.size === 0) return;
    const timedOut = new AbortController();
    await new Promise<void>((resolve) => {
        host.onStatus((id, status) => {
            last.set(id, status);
            if (status.fill === "green") waiting.delete(id);
            if (waiting.size === 0) resolve();
        });
        void sleep(clock, READY_TIMEOUT_MS, timedOut.signal).then(resolve);
    });
    timedOut.abort();
    if (waiting.size === 0) return;
    const reason = [...waiting].map(([id, type]) => `${type} says "${last.get(id)?.text ?? "nothing"}"`).join(", ");
    throw new RedgeError("REDGE_CLI_NOT_READY", { role, seconds: READY_TIMEOUT_MS / 1000, reason });
}

function readFlowNodes(userDir: string): readonly { id: string; type: string; d?: boolean }[] {
    return JSON.parse(readFileSync(join(userDir, "flows.json"), "utf8"));
}
