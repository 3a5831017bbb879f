// SPDX-License-Identifier: Apache-2.0
import { randomUUID } from "node:crypto";
import type { Clock, Timer } from "../../core/clock.ts";
import { type Envelope, Group, newEnvelope, Operation, Source } from "../../envelope/envelope.ts";
import { edgeUpdated, stateToCloud } from "./documents.ts";
import type { DeviceRecord, TwinProperty } from "./records.ts";

interface InFlight {
    readonly record: DeviceRecord;
    /** Property → the seq that was sent; undefined: it was a state report. */
    readonly keys?: ReadonlyMap<string, number>;
    readonly stateSeq?: number;
    readonly sentAtMs: number;
}

/**
 * As the report that it is, or only as what is present: every report of the property goes another way in its order, and is late. A
 * present value is shown by a Redge cloud and is no report; KubeEdge knows none.
 */
export type NewestWay = "report" | "present";

export interface UplinkOptions {
    readonly clock: Clock;
    readonly confirmTimeoutMs: number;
    readonly send: (envelope: Envelope) => void;
    /** Called after the cloud confirmed something of this record, to keep it. */
    readonly confirmed: (record: DeviceRecord) => void;
    /** How the newest value of a property goes this way; the others stay, or go another. */
    readonly wayOf: (id: string, property: string) => NewestWay | undefined;
    readonly current: (id: string) => DeviceRecord | undefined;
}

/**
 * Reports twins to the cloud: for each device one message under way at a time, and what changes meanwhile goes into the
 * next one, newest value of each property. While the link is down nothing is sent, and everything unconfirmed is sent when
 * it comes back. A message that is not confirmed in time (a wire was cut) is made anew.
 */
export class Uplink {
    readonly #options: UplinkOptions;
    readonly #inFlight = new Map<string, InFlight>();
    readonly #twinBusy = new Map<string, string>();
    readonly #stateBusy = new Map<string, string>();
    /** `<device>/<property>`: its first report was confirmed, and goes once more. */
    readonly #firsts = new Set<string>();
    #up = true;
    #losesFirst = false;
    #timer: Timer | undefined;

    constructor(options: UplinkOptions) {
        this.#options = options;
    }

    get unconfirmed(): number {
        return this.#inFlight.size;
    }

    /** Sends what the cloud does not know yet of this device, unless a report of it is under way. */
    offer(record: DeviceRecord): void {
        if (!this.#up) return;
        if (!this.#twinBusy.has(record.id)) this.#sendTwin(record);
        if (!this.#stateBusy.has(record.id)) this.#sendState(record);
    }

    linkDown(): void {
        this.#up = false;
    }

    /**
     * What was under way stays so: EdgeHub's outbox delivers it. `losesFirst`: the cloud is a stock CloudCore, which makes an empty twin of
     * the first report of each property and confirms it (device plane reference 2.7).
     */
    linkUp(records: Iterable<DeviceRecord>, losesFirst: boolean): void {
        this.#up = true;
        this.#losesFirst = losesFirst;
        for (const record of records) this.offer(record);
    }

    /** True when the envelope confirms one of our messages. */
    confirm(parentId: string): boolean {
        const message = this.#inFlight.get(parentId);
        if (message === undefined) return false;
        this.#settle(parentId, message);
        const record = this.#options.current(message.record.id);
        if (record === undefined) return true;
        for (const [key, seq] of message.keys ?? []) {
            const property = record.twin.get(key);
            if (property === undefined || property.confirmed >= seq) continue;
            if (property.confirmed === 0 && this.#isLost(`${record.id}/${key}`)) continue;
            record.twin.set(key, { ...property, confirmed: seq });
        }
        record.stateConfirmed = Math.max(record.stateConfirmed, message.stateSeq ?? 0);
        this.#options.confirmed(record);
        this.offer(record);
        return true;
    }

    stop(): void {
        this.#up = false;
        this.#inFlight.clear();
        this.#timer?.cancel();
        this.#timer = undefined;
    }

    /** Whether a report that was confirmed is to be made once more. */
    #isLost(first: string): boolean {
        if (this.#firsts.delete(first) || !this.#losesFirst) return false;
        this.#firsts.add(first);
        return true;
    }

    #sendTwin(record: DeviceRecord): void {
        const due: Record<NewestWay, [string, TwinProperty][]> = { report: [], present: [] };
        for (const [key, property] of record.twin) {
            const way = property.seq > property.confirmed ? this.#options.wayOf(record.id, key) : undefined;
            if (way !== undefined) due[way].push([key, property]);
        }
        const { report, present } = due;
        if (report.length + present.length === 0) return;
        const keys = new Map([...report, ...present].map(([key, property]) => [key, property.seq]));
        const content = edgeUpdated(this.#stamp(), report, present);
        const id = this.#send(record, "twin/edge_updated", content, { keys });
        this.#twinBusy.set(record.id, id);
    }

    #sendState(record: DeviceRecord): void {
        if (record.stateSeq <= record.stateConfirmed) return;
        const content = stateToCloud(this.#stamp(), record);
        const id = this.#send(record, "state/update", content, { stateSeq: record.stateSeq });
        this.#stateBusy.set(record.id, id);
    }

    #send(record: DeviceRecord, suffix: string, content: object, what: Partial<InFlight>): string {
        const envelope = newEnvelope({
            route: {
                source: Source.twin,
                group: Group.resource,
                operation: Operation.update,
                resource: `device/${record.id}/${suffix}`,
            },
            content,
            timestamp: this.#options.clock.nowMs(),
        });
        const id = envelope.header.msg_id;
        this.#inFlight.set(id, { record, ...what, sentAtMs: this.#options.clock.monotonicMs() });
        this.#arm();
        this.#options.send(envelope);
        return id;
    }

    #settle(id: string, { record }: InFlight): void {
        this.#inFlight.delete(id);
        if (this.#twinBusy.get(record.id) === id) this.#twinBusy.delete(record.id);
        if (this.#stateBusy.get(record.id) === id) this.#stateBusy.delete(record.id);
    }

    /** One timer for all: messages under way are in the order of their sending. */
    #arm(): void {
        if (this.#timer !== undefined) return;
        this.#timer = this.#options.clock.after(this.#options.confirmTimeoutMs, () => {
            this.#timer = undefined;
            if (this.#up) this.#expire();
            if (this.#inFlight.size > 0) this.#arm();
        });
    }

    #expire(): void {
        const expiredMs = this.#options.clock.monotonicMs() - this.#options.confirmTimeoutMs;
        const late = [...this.#inFlight].filter(([, { sentAtMs }]) => sentAtMs <= expiredMs);
        for (const [id, message] of late) this.#settle(id, message);
        for (const [, { record }] of late) {
            const current = this.#options.current(record.id);
            if (current !== undefined) this.offer(current);
        }
    }

    #stamp(): { event_id: string; timestamp: number } {
        return { event_id: randomUUID(), timestamp: this.#options.clock.nowMs() };
    }
}
