// SPDX-License-Identifier: Apache-2.0
import { createHash, randomUUID } from "node:crypto";
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
    /** How many are being read to be sent. */
    reading: number;
}

/**
 * Reports of one device under way at once: the cloud writes a device's status a few times a second and confirms all that
 * came until then, so that one device gets ahead by some thousand reports a second.
 */
const WINDOW = 512;
/**
 * Of all devices together: EdgeHub's outbox has a limit, beyond which it gives up the oldest. A device gets its room for all that it may have under
 * way at once, or waits: the cloud writes a device's status once for all its reports, which would be one write each if
 * devices with long queues took turns report by report.
 */
const WINDOW_OF_ALL = 4096;
/** Confirmations that came before the report was sent by this run; more than EdgeHub has in flight. */
const MOST_EARLY = 2 * WINDOW_OF_ALL;

/** Sends every kept report to the cloud, per device in order, each with its own time stamps. */
export class BacklogUplink {
    readonly #options: BacklogUplinkOptions;
    readonly #devices = new Map<string, Outgoing>();
    /** Every message under way → its device. */
    readonly #owners = new Map<string, string>();
    /** What was confirmed of a former run's messages, which EdgeHub's outbox still had, before this run came to them. */
    readonly #early = new Set<string>();
    /** Devices with reports to send and no room for them. */
    readonly #waiting = new Set<string>();
    /** Room that those have taken who are reading. */
    #reserved = 0;
    #up = true;

    constructor(options: BacklogUplinkOptions) {
        this.#options = options;
    }

    offer(device: string): void {
        if (!this.#up) return;
        let outgoing = this.#devices.get(device);
        if (outgoing === undefined) {
            outgoing = { inFlight: new Map(), next: this.#options.backlog.ends(device).first, reading: 0 };
            this.#devices.set(device, outgoing);
        }
        this.#expire(outgoing, device);
        this.#waiting.add(device);
        this.#serveWaiting();
    }

    /** Whether reports of the device wait for their turn, so that its newest one will be long in coming. */
    isBehind(device: string): boolean {
        const { first, next } = this.#options.backlog.ends(device);
        const outgoing = this.#devices.get(device);
        return next > Math.max(first, outgoing?.next ?? first) + (outgoing?.reading ?? 0);
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
        if (device === undefined || outgoing === undefined || message === undefined) {
            this.#confirmedEarly(parentId);
            return false;
        }
        this.#owners.delete(parentId);
        outgoing.inFlight.delete(parentId);
        this.#options.confirmed(device, message.report);
        // Confirmations may overtake each other: only what lies before the oldest unconfirmed report is done.
        const [oldest] = outgoing.inFlight.values();
        this.#options.backlog.confirmed(device, (oldest?.number ?? outgoing.next) - 1);
        if (outgoing.inFlight.size <= WINDOW / 2) this.offer(device);
        this.#serveWaiting();
        return true;
    }

    forget(device: string): void {
        for (const id of this.#devices.get(device)?.inFlight.keys() ?? []) this.#owners.delete(id);
        this.#devices.delete(device);
        this.#waiting.delete(device);
        this.#serveWaiting();
    }

    /** Whoever waits longest is next, as soon as there is room for all that it may send. */
    #serveWaiting(): void {
        for (const device of this.#waiting) {
            const outgoing = this.#devices.get(device);
            const count = outgoing === undefined || outgoing.reading > 0 || !this.#up ? 0 : this.#due(device, outgoing);
            if (this.#owners.size + this.#reserved + count > WINDOW_OF_ALL) return;
            this.#waiting.delete(device);
            if (outgoing === undefined || count <= 0) continue;
            void this.#fill(device, outgoing, count).catch((thrown: unknown) => this.#options.failed(thrown));
        }
    }

    /** How many reports of the device may go now. */
    #due(device: string, outgoing: Outgoing): number {
        const { first, next } = this.#options.backlog.ends(device);
        outgoing.next = Math.max(outgoing.next, first);
        return Math.min(WINDOW - outgoing.inFlight.size, next - outgoing.next);
    }

    async #fill(device: string, outgoing: Outgoing, count: number): Promise<void> {
        outgoing.reading = count;
        this.#reserved += count;
        try {
            const reports = await this.#options.backlog.read(device, outgoing.next, count);
            if (!this.#up || this.#devices.get(device) !== outgoing) return;
            for (const [number, report] of reports) this.#send(device, outgoing, number, report);
            // What came during the reading, or what the window has no room for until something is confirmed.
            if (reports.length > 0 && this.#due(device, outgoing) > 0) this.#waiting.add(device);
        } finally {
            outgoing.reading = 0;
            this.#reserved -= count;
            this.#serveWaiting();
        }
    }

    #send(device: string, outgoing: Outgoing, number: number, report: KeptReport): void {
        const { clock, send } = this.#options;
        const id = idOf(device, report);
        if (this.#early.delete(id)) {
            outgoing.next = number + 1;
            this.#options.confirmed(device, report);
            if (outgoing.inFlight.size === 0) this.#options.backlog.confirmed(device, number);
            return;
        }
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
            id,
        });
        outgoing.inFlight.set(id, { number, report, sentAtMs: clock.monotonicMs() });
        outgoing.next = number + 1;
        this.#owners.set(id, device);
        send(envelope);
    }

    #confirmedEarly(id: string): void {
        this.#early.add(id);
        const [oldest] = this.#early;
        if (oldest !== undefined && this.#early.size > MOST_EARLY) this.#early.delete(oldest);
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

/**
 * The same report has the same message id after a restart, too: so EdgeHub's outbox and the cloud know it again. A
 * property's count (`seq`) and time are never those of another report.
 */
function idOf(device: string, report: KeptReport): string {
    const hash = createHash("sha256").update(device);
    for (const [name, { seq, actual, expected }] of Object.entries(report))
        hash.update(`\0${name}\0${seq} ${actual?.timestamp} ${expected?.timestamp}`);
    const hex = hash.digest("hex");
    return [
        hex.slice(0, 8),
        hex.slice(8, 12),
        `8${hex.slice(13, 16)}`,
        `8${hex.slice(17, 20)}`,
        hex.slice(20, 32),
    ].join("-");
}
