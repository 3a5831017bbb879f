// SPDX-License-Identifier: Apache-2.0
import type { Ports } from "../../core/component.ts";
import type { Counter, Gauge } from "../../core/metrics.ts";
import { type Envelope, Group, newEnvelope, Operation, Source } from "../../envelope/envelope.ts";
import { formatResource } from "../../envelope/resource.ts";
import { isoSeconds } from "../../kube/meta/time.ts";
import { apiVersionOf, type KubeObject } from "../../kube/types.ts";
import type { QueuedWrite } from "./write-queue.ts";

/** through: by the link at once. queued: kept here. merged: in the cluster now. conflict, refused: not, or not all of it. */
export type WriteOutcome = "through" | "queued" | "merged" | "conflict" | "refused";

const REASONS: Partial<Record<WriteOutcome, string>> = {
    conflict: "OfflineChangeConflict",
    refused: "OfflineChangeRefused",
};

/** Says what became of changes made here: a metric always, a log line and an Event on the object when it was not all taken. */
export class WriteReport {
    readonly #ports: Pick<Ports, "clock" | "log">;
    readonly #send: (envelope: Envelope) => void;
    readonly #writes: Counter;
    readonly #queued: Gauge;

    constructor(ports: Ports, send: (envelope: Envelope) => void) {
        this.#ports = ports;
        this.#send = send;
        const { metrics } = ports;
        this.#writes = metrics.counter("redge_metamanager_local_writes_total", "Changes made at this gateway", [
            "outcome",
        ]);
        this.#queued = metrics.gauge("redge_metamanager_local_writes_queued_count", "Changes that wait for the link");
    }

    count(outcome: WriteOutcome): void {
        this.#writes.add(1, { outcome });
    }

    queued(count: number): void {
        this.#queued.set(count);
    }

    tell(
        { resource, type, base, local, actor }: QueuedWrite,
        remote: KubeObject | undefined,
        outcome: WriteOutcome,
        text: string,
    ): void {
        this.count(outcome);
        this.#ports.log.warn("a change made without a link was not taken as it was", { resource, actor, reason: text });
        const { metadata } = remote ?? base ?? local ?? { metadata: undefined };
        if (metadata === undefined) return;
        const nowMs = this.#ports.clock.nowMs();
        const namespace = metadata.namespace ?? "default";
        const name = `${metadata.name}.${(BigInt(nowMs) * 1_000_000n).toString(16)}`;
        const now = isoSeconds(nowMs);
        const content: KubeObject = {
            apiVersion: "v1",
            kind: "Event",
            metadata: { name, namespace },
            involvedObject: {
                kind: type.kind,
                apiVersion: apiVersionOf(type),
                name: metadata.name,
                ...(metadata.namespace === undefined ? {} : { namespace: metadata.namespace }),
                ...(metadata.uid === undefined ? {} : { uid: metadata.uid }),
            },
            reason: REASONS[outcome] ?? outcome,
            message: `Change of ${actor} at a gateway: ${text}`.slice(0, 1024),
            type: "Warning",
            source: { component: "metamanager" },
            reportingComponent: "metamanager",
            reportingInstance: actor,
            firstTimestamp: now,
            lastTimestamp: now,
            count: 1,
        };
        const route = {
            source: Source.metamanager,
            group: Group.resource,
            operation: Operation.insert,
            resource: formatResource(namespace, "event", name),
        };
        this.#send(newEnvelope({ route, content, timestamp: nowMs }));
    }
}
