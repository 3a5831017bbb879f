// SPDX-License-Identifier: Apache-2.0
import { randomUUID } from "node:crypto";
import type { Clock } from "../../core/clock.ts";
import { type Envelope, Group, MessageType, newEnvelope, Operation, Source } from "../../envelope/envelope.ts";
import type { Backlog, KeptReport } from "./backlog.ts";
import { edgeUpdated } from "./documents.ts";

export interface BacklogUplinkOptions {
    readonly clock: Clock;
    readonly backlog: Backlog;
    readonly confirmTimeoutMs: number;
    readonly send: (envelope: Envelope) => void;
    /** The report of that number is with the cloud. */
    readonly confirmed: (device: string, report: KeptReport) => void;
    readonly failed: (error: unknown) => void;
}

interface Outgoing {
    /** Sent and not yet confirmed, by message id, in order. */
    readonly inFlight: Map<string, { readonly number: number; readonly report: KeptReport; readonly sentAtMs: number }>;
    /** The next report to send. */
    next: number;
    reading: boolean;
}

/**
 * Reports of one device under way at once: the cloud writes a device's status a few times a second and confirms all that
 * came until then, so that one device gets ahead by some thousand reports a second.
 */
const WINDOW = 512;
/** Of all devices together: EdgeHub's outbox has a limit, beyond which it gives up the oldest. */
const WINDOW_OF_ALL = 4096;

/** Sends every kept report to the cloud, per device in order, each with its own time stamps. */
export class BacklogUplink {
    readonly #options: BacklogUplinkOptions;
    readonly #devices = new Map<string, Outgoing>();
    /** Every message under way → its device. */
    readonly #owners = new Map<string, string>();
    /** Devices with reports to send and no room for them. */
    readonly #waiting = new Set<string>();
    #up = true;

    constructor(options: BacklogUplinkOptions) {
        this.#options = options;
    }

    offer(device: string): void {
        if (!this.#up) return;
        let outgoing = this.#devices.get(device);
        if (outgoing === undefined) {
            outgoing = { inFlight: new Map(), next: this.#options.backlog.ends(device).first, reading: false };
            this.#devices.set(device, outgoing);
        }
        this.#expire(outgoing, device);
        void this.#fill(device, outgoing).catch((thrown: unknown) => this.#options.failed(thrown));
    }

    linkDown(): void {
        this.#up = false;
    }

    linkUp(): void {
        this.#up = true;
        for (const device of this.#options.backlog.devices) this.offer(device);
    }

    /** True when the envelope confirms one of our messages. */
    confirm(parentId: string): boolean {
        const device = this.#owners.get(parentId);
        const outgoing = device === undefined ? undefined : this.#devices.get(device);
        const message = outgoing?.inFlight.get(parentId);
        if (device === undefined || outgoing === undefined || message === undefined) return false;
        this.#owners.delete(parentId);
        outgoing.inFlight.delete(parentId);
        this.#options.confirmed(device, message.report);
        // Confirmations may overtake each other: only what lies before the oldest unconfirmed report is done.
        const [oldest] = outgoing.inFlight.values();
        this.#options.backlog.confirmed(device, (oldest?.number ?? outgoing.next) - 1);
        if (outgoing.inFlight.size <= WINDOW / 2) this.offer(device);
        this.#offerWaiting();
        return true;
    }

    forget(device: string): void {
        for (const id of this.#devices.get(device)?.inFlight.keys() ?? []) this.#owners.delete(id);
        this.#devices.delete(device);
        this.#waiting.delete(device);
        this.#offerWaiting();
    }

    /** Whoever waits longest is next; one that finds no room stands at the end again. */
    #offerWaiting(): void {
        const [next] = this.#waiting;
        if (next === undefined || this.#owners.size >= WINDOW_OF_ALL) return;
        this.#waiting.delete(next);
        this.offer(next);
    }

    async #fill(device: string, outgoing: Outgoing): Promise<void> {
        const { backlog } = this.#options;
        if (outgoing.reading) return;
        outgoing.reading = true;
        try {
            for (let room = this.#room(outgoing); room > 0; room = this.#room(outgoing)) {
                outgoing.next = Math.max(outgoing.next, backlog.ends(device).first);
                if (outgoing.next >= backlog.ends(device).next) return;
                const reports = await backlog.read(device, outgoing.next, room);
                if (reports.length === 0 || this.#devices.get(device) !== outgoing) return;
                for (const [number, report] of reports) {
                    // Other devices have sent during the reading.
                    if (this.#room(outgoing) <= 0) break;
                    this.#send(device, outgoing, number, report);
                }
            }
            if (this.#up && outgoing.inFlight.size < WINDOW) this.#waiting.add(device);
        } finally {
            outgoing.reading = false;
            this.#offerWaiting();
        }
    }

    #room({ inFlight }: Outgoing): number {
        return this.#up ? Math.min(WINDOW - inFlight.size, WINDOW_OF_ALL - this.#owners.size) : 0;
    }

    #send(device: string, outgoing: Outgoing, number: number, report: KeptReport): void {
        const { clock, send } = this.#options;
        const envelope = newEnvelope({
            route: {
                source: Source.twin,
                group: Group.resource,
                operation: Operation.update,
                resource: `device/${device}/twin/edge_updated`,
            },
            content: edgeUpdated({ event_id: randomUUID(), timestamp: clock.nowMs() }, Object.entries(report)),
            timestamp: clock.nowMs(),
            type: MessageType.keepAll,
        });
        const { msg_id } = envelope.header;
        outgoing.inFlight.set(msg_id, { number, report, sentAtMs: clock.monotonicMs() });
        outgoing.next = number + 1;
        this.#owners.set(msg_id, device);
        send(envelope);
    }

    /** Whatever was sent long ago and never confirmed is sent anew, with all that follows it, so that order is kept. */
    #expire(outgoing: Outgoing, device: string): void {
        const [oldest] = outgoing.inFlight.values();
        const { clock, confirmTimeoutMs, backlog } = this.#options;
        if (oldest === undefined || clock.monotonicMs() - oldest.sentAtMs < confirmTimeoutMs) return;
        for (const id of outgoing.inFlight.keys()) this.#owners.delete(id);
        outgoing.inFlight.clear();
        outgoing.next = backlog.ends(device).first;
    }
}
