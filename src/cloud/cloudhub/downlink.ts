// SPDX-License-Identifier: Apache-2.0
import type { Clock, Timer } from "../../core/clock.ts";
import { encodeEnvelope } from "../../envelope/codec.ts";
import type { Envelope } from "../../envelope/envelope.ts";
import type { LinkConnection } from "../../link/transport/connection.ts";
import { notNewer, type PushedObject, pushedObject } from "./delivery.ts";

export interface DownlinkOptions {
    /** Pushes in flight at once: 1 for stock EdgeCore, which may reorder what is in flight together. */
    readonly window: number;
    readonly resendIntervalMs: number;
    /** Writes of one push before it goes back to the end of the queue. */
    readonly maxWrites: number;
    /** Waiting messages of either kind; more is dropped and counted. */
    readonly queueLimit: number;
    /** Bytes the connection may hold before pushes wait. */
    readonly bufferBytes: number;
}

export interface DownlinkEvents {
    /**
     * The node is about to be sent an object for the first time. The promise resolves when that is on record, so that its
     * deletion can be told later, whatever happens; undefined when it is on record already.
     */
    intends(object: PushedObject): Promise<void> | undefined;
    /** The node acknowledged this object. */
    acked(object: PushedObject, content: unknown): void;
    /** A message was not queued because the queue is full. */
    dropped(envelope: Envelope): void;
    /** Nothing waits and nothing is in flight after something was dropped: time for another resync. */
    recovered(): void;
}

interface Push {
    readonly envelope: Envelope;
    readonly object: PushedObject;
    readonly queuedMs: number;
    /** On record, see `intends`. */
    recorded: boolean;
}

interface InFlight extends Push {
    writes: number;
    sentMs: number;
}

/** How long a push may be moved behind others by newer versions of itself before it keeps its place. */
const PATIENCE_MS = 5_000;

/**
 * Everything on its way down to one node over one connection. Pushes: in order, newest version of an object wins, up to
 * `window` in flight, written again with the same msg_id until acknowledged. A newer version may follow while an older
 * one is in flight; the older one's acknowledgement then no longer counts. Other messages are written as they come.
 */
export class Downlink {
    readonly #connection: LinkConnection;
    readonly #clock: Clock;
    readonly #options: DownlinkOptions;
    readonly #events: DownlinkEvents;
    /** By uid, in sending order. */
    readonly #waiting = new Map<string, Push>();
    /** By msg_id, in sending order. */
    readonly #inFlight = new Map<string, InFlight>();
    readonly #inFlightIds = new Map<string, string>();
    /** Resource in flight, and the uid of the object under that name. */
    readonly #inFlightResources = new Map<string, string>();
    /** What this node has acknowledged, by uid: resource versions. */
    readonly #acked: Map<string, string>;
    #resend: Timer | undefined;
    #overflowed = false;
    #blocked = false;
    #closed = false;
    #forgot = false;

    constructor(
        connection: LinkConnection,
        clock: Clock,
        acked: ReadonlyMap<string, string>,
        options: DownlinkOptions,
        events: DownlinkEvents,
    ) {
        this.#connection = connection;
        this.#clock = clock;
        this.#acked = new Map(acked);
        this.#options = options;
        this.#events = events;
    }

    /** Waiting and in flight. */
    get depth(): number {
        return this.#waiting.size + this.#inFlight.size;
    }

    /** Writes a message that needs no acknowledgement. */
    once(envelope: Envelope): void {
        if (this.#closed) return;
        if (this.#connection.queuedBytes > this.#options.bufferBytes * 4) this.#events.dropped(envelope);
        else this.#connection.send(encodeEnvelope(envelope));
    }

    push(envelope: Envelope): void {
        if (this.#closed) return;
        const object = pushedObject(envelope);
        const { uid } = object;
        const waiting = this.#waiting.get(uid);
        if (!object.deleting && this.#hasAlready(object, waiting)) return;
        if (waiting === undefined && this.#waiting.size >= this.#options.queueLimit) {
            this.#overflowed = true;
            this.#events.dropped(envelope);
            return;
        }
        const nowMs = this.#clock.monotonicMs();
        const queuedMs = waiting?.queuedMs ?? nowMs;
        if (nowMs - queuedMs < PATIENCE_MS) this.#waiting.delete(uid);
        const push: Push = { envelope, object, queuedMs, recorded: true };
        const recording = object.deleting ? undefined : this.#events.intends(object);
        if (recording !== undefined) {
            push.recorded = false;
            void recording.then(() => {
                push.recorded = true;
                this.#pump();
            });
        }
        this.#waiting.set(uid, push);
        this.#pump();
    }

    /** An answer came: true when it belongs to a push. `failed`: the node could not store it, the resend stands. */
    answered(parentId: string, failed: boolean): boolean {
        const push = this.#inFlight.get(parentId);
        if (push === undefined) return false;
        if (failed) return true;
        this.#land(parentId, push);
        const { uid, resourceVersion, deleting } = push.object;
        if (deleting) this.#acked.delete(uid);
        else if (resourceVersion !== undefined) this.#acked.set(uid, resourceVersion);
        this.#events.acked(push.object, push.envelope.content);
        this.#pump();
        if (this.#overflowed && this.depth === 0) {
            this.#overflowed = false;
            this.#events.recovered();
        }
        return true;
    }

    /** Another look at what the node has acknowledged, perhaps to another CloudHub. */
    learn(acked: ReadonlyMap<string, string>): void {
        if (this.#forgot) return;
        for (const [uid, version] of acked) this.#acked.set(uid, version);
    }

    /** The node may have lost its data: everything offered from now on is sent. */
    forget(): void {
        this.#forgot = true;
        this.#acked.clear();
    }

    close(): void {
        this.#closed = true;
        this.#resend?.cancel();
        this.#waiting.clear();
        this.#inFlight.clear();
        this.#inFlightIds.clear();
        this.#inFlightResources.clear();
    }

    #hasAlready(object: PushedObject, waiting: Push | undefined): boolean {
        if (waiting !== undefined) return !waiting.object.deleting && older(object, waiting.object);
        const id = this.#inFlightIds.get(object.uid);
        const flying = id === undefined ? undefined : this.#inFlight.get(id);
        if (flying !== undefined) return !flying.object.deleting && older(object, flying.object);
        const acked = this.#acked.get(object.uid);
        return acked !== undefined && notNewer(object.resourceVersion, acked);
    }

    #pump(): void {
        if (this.#blocked || this.#closed) return;
        for (const [uid, push] of this.#waiting) {
            if (this.#inFlight.size >= this.#options.window) return;
            if (this.#connection.queuedBytes > this.#options.bufferBytes) {
                this.#blocked = true;
                return;
            }
            if (!push.recorded) return;
            const { resource } = push.envelope.route;
            const before = this.#inFlightResources.get(resource);
            // An object that was deleted and made again: its delete first, or a repeat of it would hit the new one.
            if (before !== undefined && before !== uid) return;
            this.#waiting.delete(uid);
            this.#supersede(uid);
            this.#inFlightResources.set(resource, uid);
            const id = push.envelope.header.msg_id;
            const flying: InFlight = { ...push, writes: 0, sentMs: 0 };
            this.#inFlight.set(id, flying);
            this.#inFlightIds.set(uid, id);
            this.#write(flying);
        }
    }

    #write(push: InFlight): void {
        push.writes += 1;
        push.sentMs = this.#clock.monotonicMs();
        this.#connection.send(encodeEnvelope(push.envelope), () => this.#drained());
        this.#resend ??= this.#clock.after(this.#options.resendIntervalMs, () => this.#onResend());
    }

    #drained(): void {
        if (!this.#blocked || this.#closed || this.#connection.queuedBytes > this.#options.bufferBytes / 2) return;
        this.#blocked = false;
        this.#pump();
    }

    #supersede(uid: string): void {
        const id = this.#inFlightIds.get(uid);
        const push = id === undefined ? undefined : this.#inFlight.get(id);
        if (id !== undefined && push !== undefined) this.#land(id, push);
    }

    #land(id: string, push: InFlight): void {
        this.#inFlight.delete(id);
        this.#inFlightIds.delete(push.object.uid);
        this.#inFlightResources.delete(push.envelope.route.resource);
    }

    #onResend(): void {
        this.#resend = undefined;
        if (this.#closed) return;
        if (this.#connection.queuedBytes > this.#options.bufferBytes / 2) {
            this.#resend = this.#clock.after(this.#options.resendIntervalMs, () => this.#onResend());
            return;
        }
        const nowMs = this.#clock.monotonicMs();
        let nextMs = Number.POSITIVE_INFINITY;
        for (const [id, push] of [...this.#inFlight]) {
            const dueMs = push.sentMs + this.#options.resendIntervalMs - nowMs;
            if (dueMs > 0) {
                nextMs = Math.min(nextMs, dueMs);
            } else if (push.writes < this.#options.maxWrites) {
                this.#write(push);
            } else {
                this.#land(id, push);
                if (!this.#waiting.has(push.object.uid)) this.#waiting.set(push.object.uid, push);
            }
        }
        if (Number.isFinite(nextMs)) this.#resend ??= this.#clock.after(nextMs, () => this.#onResend());
        this.#pump();
    }
}

/** A repeat or an older state of the same object; one that is being deleted is never older than one that is not. */
function older(object: PushedObject, than: PushedObject): boolean {
    return than.resourceVersion !== undefined && notNewer(object.resourceVersion, than.resourceVersion);
}
