// SPDX-License-Identifier: Apache-2.0
import type { Clock, Timer } from "../../../core/clock.ts";
import { type Envelope, Operation } from "../../../envelope/envelope.ts";
import { formatResource } from "../../../envelope/resource.ts";
import type { KubeObject } from "../../../kube/types.ts";
import { timeText } from "./status.ts";

/** Repeats are counted in one Event object: the first ones are told at once, later ones together, this often. */
const AT_ONCE = 5;
const REPEAT_MS = 30_000;
const KEEP = 500;

interface Told {
    readonly name: string;
    readonly firstMs: number;
    count: number;
    toldMs: number;
    lastMs: number;
    /** Runs while repeats are counted that have not been told. */
    timer?: Timer;
}

/** Whom an event is about. */
export interface EventSubject {
    readonly kind: "Pod" | "Node";
    readonly namespace?: string;
    readonly name: string;
    readonly uid: string;
    readonly resourceVersion?: string | undefined;
    /** spec.containers{web} */
    readonly fieldPath?: string | undefined;
}

/** Makes core/v1 Events of what happens to pods; the same thing again raises a count instead of a new object. */
export class EventRecorder {
    readonly #clock: Clock;
    readonly #nodeName: string;
    readonly #tell: (operation: string, resource: string, event: KubeObject) => Envelope;
    readonly #told = new Map<string, Told>();
    #serial = 0;

    constructor(
        clock: Clock,
        nodeName: string,
        tell: (operation: string, resource: string, event: KubeObject) => Envelope,
    ) {
        this.#clock = clock;
        this.#nodeName = nodeName;
        this.#tell = tell;
    }

    record(about: EventSubject, type: "Normal" | "Warning", reason: string, message: string): void {
        const nowMs = this.#clock.nowMs();
        const key = [about.uid, about.fieldPath, type, reason, message].join("\0");
        const known = this.#told.get(key);
        if (known !== undefined) {
            known.count += 1;
            known.lastMs = nowMs;
            const tell = (): void => {
                this.#settle(known);
                known.toldMs = this.#clock.nowMs();
                this.#send(Operation.update, about, type, reason, message, known);
            };
            const waitMs = known.count <= AT_ONCE ? 0 : REPEAT_MS - (nowMs - known.toldMs);
            if (waitMs <= 0) tell();
            else known.timer ??= this.#clock.after(waitMs, tell);
            return;
        }
        this.#serial += 1;
        const suffix = (BigInt(nowMs) * 1_000_000n + BigInt(this.#serial % 1_000_000)).toString(16);
        const told: Told = { name: `${about.name}.${suffix}`, firstMs: nowMs, lastMs: nowMs, count: 1, toldMs: nowMs };
        this.#told.set(key, told);
        const [oldest] = this.#told;
        if (this.#told.size > KEEP && oldest !== undefined) {
            this.#settle(oldest[1]);
            this.#told.delete(oldest[0]);
        }
        this.#send(Operation.insert, about, type, reason, message, told);
    }

    /** Counts that have not been told yet are not told any more. */
    stop(): void {
        for (const told of this.#told.values()) this.#settle(told);
    }

    #settle(told: Told): void {
        told.timer?.cancel();
        delete told.timer;
    }

    #send(operation: string, about: EventSubject, type: string, reason: string, message: string, told: Told): void {
        const namespace = about.namespace ?? "default";
        this.#tell(operation, formatResource(namespace, "event", told.name), {
            apiVersion: "v1",
            kind: "Event",
            metadata: { name: told.name, namespace },
            involvedObject: {
                kind: about.kind,
                apiVersion: "v1",
                name: about.name,
                uid: about.uid,
                ...(about.namespace === undefined ? {} : { namespace: about.namespace }),
                ...(about.resourceVersion === undefined ? {} : { resourceVersion: about.resourceVersion }),
                ...(about.fieldPath === undefined ? {} : { fieldPath: about.fieldPath }),
            },
            reason,
            message: message.slice(0, 1024),
            type,
            source: { component: "kubelet", host: this.#nodeName },
            reportingComponent: "kubelet",
            reportingInstance: this.#nodeName,
            firstTimestamp: timeText(told.firstMs),
            lastTimestamp: timeText(told.lastMs),
            count: told.count,
        });
    }
}
