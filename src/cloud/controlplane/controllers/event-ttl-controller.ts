// SPDX-License-Identifier: Apache-2.0
import { isNotFound } from "../../../kube/client/status-error.ts";
import { Kinds, type KubeObject } from "../../../kube/types.ts";
import type { Caches, ControlPorts } from "./lib/caches.ts";
import { Controller } from "./lib/controller.ts";
import { timeMs } from "./lib/time.ts";

/** As kube-apiserver's --event-ttl. */
const TTL_MS = 3_600_000;
const ROUND_MS = 300_000;
const PAGE = 500;
const ROUND = "round";

/** Deletes events an hour after they last happened. Listed in rounds, since nothing else needs them in memory. */
export class EventTtlController extends Controller {
    constructor(caches: Caches, ports: ControlPorts) {
        super("event-ttl-controller", caches, ports);
    }

    protected watch(): void {
        this.queue.add(ROUND);
    }

    protected async reconcile(): Promise<void> {
        this.queue.addAfter(ROUND, ROUND_MS);
        let continueToken: string | undefined;
        do {
            const page = await this.ports.cluster.list({ type: Kinds.event, limit: PAGE, continueToken });
            for (const event of page.items) if (this.nowMs - lastMs(event) > TTL_MS) await this.#delete(event);
            continueToken = page.metadata.continue === "" ? undefined : page.metadata.continue;
        } while (continueToken !== undefined);
    }

    async #delete({ metadata: { namespace, name, uid, resourceVersion } }: KubeObject): Promise<void> {
        try {
            await this.ports.cluster.delete({ type: Kinds.event, namespace, name }, { uid, resourceVersion });
        } catch (failure) {
            if (!isNotFound(failure)) throw failure;
        }
    }
}

function lastMs(event: KubeObject): number {
    const series = event["series"] as { lastObservedTime?: string } | undefined;
    const times = [
        event["lastTimestamp"],
        series?.lastObservedTime,
        event["eventTime"],
        event.metadata.creationTimestamp,
    ];
    return Math.max(0, ...times.map((time) => (typeof time === "string" ? (timeMs(time) ?? 0) : 0)));
}
