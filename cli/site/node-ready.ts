// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "../../src/core/clock.ts";
import type { KubeClient } from "../../src/kube/client/client.ts";
import { Kinds, type KubeObject } from "../../src/kube/types.ts";

/** Waits until the Node's Ready condition is True; false when the time is over. */
export async function waitForNode(client: KubeClient, name: string, clock: Clock, timeoutMs: number): Promise<boolean> {
    const over = new AbortController();
    const timer = clock.after(timeoutMs, () => over.abort());
    try {
        while (!over.signal.aborted) {
            const query = { type: Kinds.node, fieldSelector: `metadata.name=${name}` };
            const list = await client.list(query);
            if (list.items.some(isReady)) return true;
            const resourceVersion = list.metadata.resourceVersion ?? "0";
            for await (const event of client.watch({ ...query, resourceVersion }, over.signal)) {
                if (event.type !== "BOOKMARK" && isReady(event.object)) return true;
            }
        }
        return false;
    } finally {
        timer.cancel();
        over.abort();
    }
}

function isReady(node: KubeObject): boolean {
    const status = node["status"] as { conditions?: { type: string; status: string }[] } | undefined;
    return status?.conditions?.some(({ type, status: value }) => type === "Ready" && value === "True") === true;
}
