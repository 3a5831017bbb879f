// SPDX-License-Identifier: Apache-2.0
import type { Timer } from "../../core/clock.ts";
import type { Ports } from "../../core/component.ts";
import { errorText } from "../../core/errors/redge-error.ts";
import { encodeEnvelope } from "../../envelope/codec.ts";
import type { Envelope } from "../../envelope/envelope.ts";
import { durableClass } from "../../link/durable.ts";
import { DEFAULT_WINDOW } from "../../link/session.ts";
import type { Link } from "./connector.ts";
import type { Outbox } from "./outbox.ts";

/** A Redge cloud answers every durable message; one without an answer for so long is sent again. */
const REPEAT_MS = 10_000;
/** A stock CloudCore confirms reports of devices it knows, and says nothing about others: then it has to be enough. */
const STOCK_PATIENCE_MS = 15_000;

interface Sent {
    readonly envelope: Envelope;
    atMs: number;
}

/** Moves the outbox over the link: in order, a window of unanswered messages at a time. */
export class UplinkPump {
    readonly #outbox: Outbox;
    readonly #ports: Ports;
    readonly #sent = new Map<string, Sent>();
    #link: Link | undefined;
    /** The link that is up, from before its note is on disk. */
    #coming: Link | undefined;
    #pumping = false;
    #again = false;
    #repeat: Timer | undefined;

    constructor(outbox: Outbox, ports: Ports) {
        this.#outbox = outbox;
        this.#ports = ports;
    }

    linkUp(link: Link): void {
        this.#sent.clear();
        this.#outbox.rewind();
        this.#coming = link;
        void this.#note(this.#outbox.linkUp()).then(() => {
            if (this.#coming !== link) return;
            this.#link = link;
            this.run();
        });
    }

    linkDown(): void {
        this.#coming = undefined;
        if (this.#link !== undefined) void this.#note(this.#outbox.linkDown());
        this.#link = undefined;
        this.#sent.clear();
        this.#repeat?.cancel();
        this.#repeat = undefined;
    }

    stop(): void {
        this.linkDown();
    }

    /** An answer came. False when it belongs to nothing that was sent from the outbox. */
    settled(id: string, how: "delivered" | "refused"): boolean {
        this.#sent.delete(id);
        const known = this.#outbox.settle(id, how);
        if (known) this.run();
        return known;
    }

    /** Sends what may be sent now. */
    run(): void {
        this.#again = true;
        if (this.#pumping || this.#link === undefined) return;
        this.#pumping = true;
        void this.#pump()
            .catch((thrown: unknown) => {
                this.#ports.log.error("the outbox cannot be read", { reason: errorText(thrown) });
            })
            .finally(() => {
                this.#pumping = false;
                if (this.#again) this.run();
            });
    }

    /** A full disk keeps the note, not the messages, back. */
    async #note(written: Promise<void>): Promise<void> {
        try {
            await written;
        } catch (thrown) {
            this.#ports.log.debug("how far sending came is not on disk", { reason: errorText(thrown) });
        }
    }

    async #pump(): Promise<void> {
        while (this.#again && this.#link !== undefined) {
            this.#again = false;
            const link = this.#link;
            const window = Math.min(link.redge?.window ?? DEFAULT_WINDOW, DEFAULT_WINDOW);
            while (this.#link === link && this.#sent.size < window) {
                const envelope = await this.#outbox.next();
                if (envelope === undefined) break;
                if (this.#link !== link) {
                    // The link changed while the message was read: whoever is up now begins from the start.
                    this.#outbox.rewind();
                    this.#again = true;
                    break;
                }
                this.#send(link, envelope);
            }
        }
    }

    #send(link: Link, envelope: Envelope): void {
        const id = envelope.header.msg_id;
        const kind = durableClass(envelope);
        // KubeEdge answers device reports alone; the rest counts as delivered when it has left.
        const confirmed = link.redge !== undefined || kind === "twin" || kind === "state";
        this.#sent.set(id, { envelope, atMs: this.#ports.clock.monotonicMs() });
        link.connection.send(encodeEnvelope(envelope), (error) => {
            if (!confirmed && error === undefined && this.#link === link) this.settled(id, "delivered");
        });
        if (confirmed) this.#repeat ??= this.#ports.clock.after(REPEAT_MS, () => this.#onRepeat());
    }

    #onRepeat(): void {
        this.#repeat = undefined;
        const link = this.#link;
        if (link === undefined) return;
        const nowMs = this.#ports.clock.monotonicMs();
        for (const [id, sent] of [...this.#sent]) {
            const ageMs = nowMs - sent.atMs;
            if (link.redge === undefined) {
                if (ageMs >= STOCK_PATIENCE_MS) this.settled(id, "delivered");
            } else if (ageMs >= REPEAT_MS) {
                sent.atMs = nowMs;
                link.connection.send(encodeEnvelope(sent.envelope));
            }
        }
        if (this.#sent.size > 0) this.#repeat ??= this.#ports.clock.after(REPEAT_MS, () => this.#onRepeat());
    }
}
