// SPDX-License-Identifier: Apache-2.0
import type { Client } from "aedes" with { "resolution-mode": "import" };

/** A message that a client publishes, as aedes has it; a will has no identifier. */
export interface Published {
    readonly topic: string;
    readonly payload: string | Buffer;
    readonly qos: 0 | 1 | 2;
    readonly retain: boolean;
    readonly dup?: boolean;
    readonly messageId?: number;
}

/** Takes a message over; the promise, if there is one, resolves when it is on disk. */
export type Take = (packet: Published) => Promise<void> | undefined;

/**
 * What clients publish, before the broker acknowledges and passes it on: a message of QoS 1 or 2 that is kept waits until
 * it is on disk, and those behind it from the same client with it, so that acknowledgements keep the order of the messages.
 */
export class Inflow {
    readonly #take: Take;
    /** Of each client the last message that has not been acknowledged yet; never rejects. */
    readonly #last = new WeakMap<Client, Promise<unknown>>();
    /** Messages of QoS 2 until their release: a repeat is the same message. By client id, then message id. */
    readonly #unreleased = new Map<string, Map<number, Promise<Error | undefined> | undefined>>();

    constructor(take: Take) {
        this.#take = take;
    }

    /** `acknowledge` is called when the broker may acknowledge and go on, with an error when it must not. */
    publish(client: Client, packet: Published, acknowledge: (refusal?: Error | null) => void): void {
        if (packet.qos === 0) {
            void this.#take(packet);
            acknowledge(null);
            return;
        }
        const stored = this.#stored(client, packet);
        const before = this.#last.get(client);
        if (stored === undefined && before === undefined) {
            acknowledge(null);
            return;
        }
        const done = (before ?? Promise.resolve())
            .then(() => stored)
            .then((refusal) => {
                if (this.#last.get(client) === done) this.#last.delete(client);
                acknowledge(refusal ?? null);
            });
        this.#last.set(client, done);
    }

    /** The client has released a message of QoS 2: its identifier may come again for another one. */
    released(client: string, messageId: number): void {
        const ids = this.#unreleased.get(client);
        if (ids?.delete(messageId) && ids.size === 0) this.#unreleased.delete(client);
    }

    /** The client begins a new session. */
    forget(client: string): void {
        this.#unreleased.delete(client);
    }

    /** Resolves with the reason when it could not be stored; undefined when there is nothing to wait for. */
    #stored(client: Client, packet: Published): Promise<Error | undefined> | undefined {
        const { qos, messageId } = packet;
        if (qos !== 2 || messageId === undefined) return outcome(this.#take(packet));
        let ids = this.#unreleased.get(client.id);
        if (ids === undefined) {
            ids = new Map();
            this.#unreleased.set(client.id, ids);
        }
        // Some clients forget to mark a repeat.
        if (ids.has(messageId)) return ids.get(messageId);
        const stored = outcome(this.#take(packet));
        ids.set(messageId, stored);
        void stored?.then((refusal) => {
            if (refusal !== undefined) this.released(client.id, messageId);
        });
        return stored;
    }
}

function outcome(taken: Promise<void> | undefined): Promise<Error | undefined> | undefined {
    return taken?.then(
        () => undefined,
        (thrown: unknown) => (thrown instanceof Error ? thrown : new Error(String(thrown))),
    );
}
