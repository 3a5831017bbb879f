// SPDX-License-Identifier: Apache-2.0
import { Readable } from "node:stream";
import type { Client, Subscription } from "aedes" with { "resolution-mode": "import" };
import MemoryPersistence from "aedes-persistence/asyncPersistence.js";
import { GroupCommit } from "../../store/group-commit.ts";
import type { DocumentStore } from "../../store/store.ts";
import type { Inflow } from "./inflow.ts";
import { type KeptPacket, keptOf, packetOf, type QueuedPacket } from "./session-packets.ts";

type ClientId = Client["id"];
type Owner = Pick<Client, "id">;
type Addressee = { readonly clientId: ClientId };

interface Queued {
    readonly key: string;
    packet: QueuedPacket;
}

export interface SessionsParts {
    readonly store: DocumentStore;
    /** Messages kept for one client that is away; beyond that the oldest go. */
    readonly queueLimit: number;
    /** aedes stores all topics of a request, those too that it refuses. */
    readonly maySubscribe: (client: Client, topic: string) => boolean;
    /** Told when the store takes nothing; the broker goes on with what it has in memory. */
    readonly failed: (thrown: unknown) => void;
    readonly inflow: Pick<Inflow, "released" | "forget">;
}

const SUBSCRIBED = "subscribed/";
const QUEUED = "queued/";
const SEQUENCE_DIGITS = 16;

/**
 * The sessions of clients that asked for one (`clean` false), on disk: what they have subscribed, and the messages of QoS 1
 * and 2 that they have not acknowledged. So a client that comes back after the gateway's restart gets what it missed, and need not subscribe
 * again. A message is queued when it is on disk.
 */
export class Sessions extends MemoryPersistence {
    readonly #parts: SessionsParts;
    readonly #commits: GroupCommit;
    readonly #queues = new Map<ClientId, Queued[]>();
    #sequence = 0;

    constructor(parts: SessionsParts) {
        super();
        this.#parts = parts;
        this.#commits = new GroupCommit(parts.store);
    }

    /** Reads what the last run has left. @throws REDGE_STORE_IO */
    async load(): Promise<void> {
        const { store } = this.#parts;
        for (const { key, value } of await store.scan<Subscription[]>(SUBSCRIBED))
            await super.addSubscriptions({ id: key.slice(SUBSCRIBED.length) }, value);
        for (const { key, value } of await store.scan<KeptPacket>(QUEUED)) {
            const slash = key.lastIndexOf("/");
            this.#queueOf(key.slice(QUEUED.length, slash)).push({ key, packet: packetOf(value) });
            this.#sequence = Math.max(this.#sequence, Number(key.slice(slash + 1)));
        }
        for (const queue of this.#queues.values())
            queue.sort((one, other) => (sequenceOf(one) < sequenceOf(other) ? -1 : 1));
    }

    /** Everything so far is on disk, or `failed` knows. */
    async settled(): Promise<void> {
        await this.#commits.commit().catch(this.#parts.failed);
    }

    override async addSubscriptions(client: Client, subscriptions: readonly Subscription[]): Promise<void> {
        await super.addSubscriptions(
            client,
            subscriptions.filter(({ topic }) => this.#parts.maySubscribe(client, topic)),
        );
        await this.#keepSubscriptions(client);
    }

    override async removeSubscriptions(client: Owner, topics: readonly string[]): Promise<void> {
        await super.removeSubscriptions(client, topics);
        await this.#keepSubscriptions(client);
    }

    override async cleanSubscriptions(client: Owner): Promise<void> {
        const queue = this.#queues.get(client.id);
        // Most clients never had a session: their connecting costs no write.
        if (queue === undefined && (await this.subscriptionsByClient(client)).length === 0) return;
        await super.cleanSubscriptions(client);
        for (const { key } of queue ?? []) this.#commits.delete(key);
        this.#queues.delete(client.id);
        this.#commits.delete(SUBSCRIBED + client.id);
        await this.settled();
    }

    override async incomingDelPacket(client: Owner, packet: { readonly messageId: number }): Promise<void> {
        await super.incomingDelPacket(client, packet);
        this.#parts.inflow.released(client.id, packet.messageId);
    }

    override async cleanIncoming(client: Owner): Promise<void> {
        await super.cleanIncoming(client);
        this.#parts.inflow.forget(client.id);
    }

    async outgoingEnqueue(to: Addressee, packet: QueuedPacket): Promise<void> {
        await this.outgoingEnqueueCombi([to], packet);
    }

    async outgoingEnqueueCombi(to: readonly Addressee[], packet: QueuedPacket): Promise<void> {
        if (to.length === 0) return;
        for (const { clientId } of to) this.#put(clientId, packet);
        await this.settled();
    }

    /** A message gets its identifier, or (QoS 2) has been received and waits for its release alone. */
    async outgoingUpdate(client: Owner, packet: QueuedPacket): Promise<void> {
        const ours = (queued: QueuedPacket) => packet.brokerId !== undefined && queued.brokerId === packet.brokerId;
        const found = (this.#queues.get(client.id) ?? []).find(({ packet: queued }) =>
            ours(queued) ? queued.brokerCounter === packet.brokerCounter : queued.messageId === packet.messageId,
        );
        if (found === undefined) throw new Error("no such packet");
        if (ours(found.packet)) {
            found.packet.messageId = packet.messageId;
            return;
        }
        found.packet = packet;
        this.#commits.put(found.key, () => keptOf(packet));
        await this.settled();
    }

    async outgoingClearMessageId(client: Owner, { messageId }: QueuedPacket): Promise<QueuedPacket | undefined> {
        const queue = this.#queues.get(client.id) ?? [];
        const at = queue.findIndex(({ packet }) => packet.messageId === messageId);
        const [cleared] = at < 0 ? [] : queue.splice(at, 1);
        if (queue.length === 0) this.#queues.delete(client.id);
        if (cleared !== undefined) {
            this.#commits.delete(cleared.key);
            // Nobody waits for it: one that is lost has the message sent once more.
            void this.settled();
        }
        return cleared?.packet;
    }

    outgoingStream(client: Owner): Readable {
        return Readable.from((this.#queues.get(client.id) ?? []).map(({ packet }) => packet));
    }

    async #keepSubscriptions(client: Owner): Promise<void> {
        const subscriptions = await this.subscriptionsByClient(client);
        const key = SUBSCRIBED + client.id;
        if (subscriptions.length === 0) this.#commits.delete(key);
        else this.#commits.put(key, () => subscriptions);
        await this.settled();
    }

    #put(client: ClientId, packet: QueuedPacket): void {
        this.#sequence += 1;
        const key = `${QUEUED}${client}/${String(this.#sequence).padStart(SEQUENCE_DIGITS, "0")}`;
        const kept = keptOf(packet);
        const queue = this.#queueOf(client);
        queue.push({ key, packet: packetOf(kept) });
        this.#commits.put(key, () => kept);
        if (queue.length <= this.#parts.queueLimit) return;
        const oldest = queue.shift();
        if (oldest !== undefined) this.#commits.delete(oldest.key);
    }

    #queueOf(client: ClientId): Queued[] {
        const queue = this.#queues.get(client) ?? [];
        this.#queues.set(client, queue);
        return queue;
    }
}

const sequenceOf = ({ key }: Queued): string => key.slice(-SEQUENCE_DIGITS);
