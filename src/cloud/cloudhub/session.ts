// SPDX-License-Identifier: Apache-2.0
import type { Clock, Timer } from "../../core/clock.ts";
import { RedgeError } from "../../core/errors/redge-error.ts";
import { decodeEnvelope } from "../../envelope/codec.ts";
import type { Envelope } from "../../envelope/envelope.ts";
import { CloseCode, type RedgeSession } from "../../link/session.ts";
import type { Closed, LinkConnection } from "../../link/transport/connection.ts";
import { Downlink, type DownlinkEvents, type DownlinkOptions } from "./downlink.ts";
import { Throttle } from "./throttle.ts";

export interface SessionHandlers extends DownlinkEvents {
    received(envelope: Envelope): void;
    /** A message that is JSON but no envelope; it is ignored, as KubeEdge does. */
    invalid(reason: RedgeError): void;
    throttled(heldMs: number): void;
    closed(how: Closed): void;
}

export interface SessionOptions extends DownlinkOptions {
    readonly messagesPerSecond: number;
}

/** One node on one connection. It is known by this object, never by the node's name: a newer one may exist already. */
export class NodeSession {
    readonly node: string;
    readonly redge: RedgeSession | undefined;
    readonly connectedMs: number;
    readonly downlink: Downlink;
    readonly #connection: LinkConnection;
    readonly #clock: Clock;
    readonly #throttle: Throttle;
    #aliveMs: number;
    #hold: Timer | undefined;
    #over = false;

    constructor(
        node: string,
        connection: LinkConnection,
        redge: RedgeSession | undefined,
        clock: Clock,
        acked: ReadonlyMap<string, string>,
        options: SessionOptions,
        handlers: SessionHandlers,
    ) {
        this.node = node;
        this.redge = redge;
        this.#connection = connection;
        this.#clock = clock;
        this.connectedMs = clock.nowMs();
        this.#aliveMs = clock.monotonicMs();
        this.#throttle = new Throttle(clock, options.messagesPerSecond);
        this.downlink = new Downlink(connection, clock, acked, options, handlers);
        connection.open({
            message: (text) => this.#onMessage(text, handlers),
            closed: (how) => {
                this.#hold?.cancel();
                this.downlink.close();
                handlers.closed(how);
            },
        });
    }

    /** The store id of a Redge edge; empty for stock edges, which have none. */
    get store(): string {
        return this.redge?.store ?? "";
    }

    /** Milliseconds since the last keepalive. Time during which the node was held back does not count. */
    silentMs(): number {
        return this.#hold === undefined ? this.#clock.monotonicMs() - this.#aliveMs : 0;
    }

    keepalive(): void {
        this.#aliveMs = this.#clock.monotonicMs();
    }

    /** Nothing that is still on its way up is taken any more. */
    close(code: number, reason: string): void {
        this.#over = true;
        this.downlink.close();
        this.#connection.close(code, reason);
    }

    destroy(): void {
        this.#over = true;
        this.downlink.close();
        this.#connection.destroy();
    }

    #onMessage(text: string, handlers: SessionHandlers): void {
        if (this.#over) return;
        const holdMs = this.#throttle.take();
        if (holdMs > 0 && this.#hold === undefined) this.#holdBack(holdMs, handlers);
        let envelope: Envelope;
        try {
            envelope = decodeEnvelope(text);
        } catch (thrown) {
            if (!(thrown instanceof RedgeError)) throw thrown;
            if (thrown.code === "REDGE_ENVELOPE_NOT_JSON") this.close(CloseCode.invalidMessage, "not JSON");
            else handlers.invalid(thrown);
            return;
        }
        handlers.received({ ...envelope, node: this.node });
    }

    #holdBack(holdMs: number, handlers: SessionHandlers): void {
        this.#connection.pause();
        handlers.throttled(holdMs);
        this.#hold = this.#clock.after(holdMs, () => {
            this.#hold = undefined;
            this.keepalive();
            this.#connection.resume();
        });
    }
}
