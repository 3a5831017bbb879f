// SPDX-License-Identifier: Apache-2.0
import { randomUUID } from "node:crypto";
import type { Clock } from "../../core/clock.ts";
import { RedgeError } from "../../core/errors/redge-error.ts";
import { encodeEnvelope } from "../../envelope/codec.ts";
import { type Envelope, MessageType } from "../../envelope/envelope.ts";
import type { DurableClass } from "../../link/durable.ts";
import type { DocumentStore, StoreOp } from "../../store/store.ts";
import { STORE_ID } from "../../store/store-id.ts";
import { mergeTwinReports } from "./twin-merge.ts";

export interface OutboxLimits {
    readonly maxBytes: number;
    readonly maxMessages: number;
    readonly maxAgeMs: number;
}

/**
 * Why a message left the outbox without being delivered.
 * `unconfirmed`: it was sent once, but the link broke before an answer; it may have arrived.
 */
export type DropReason = "size" | "age" | "refused" | "unconfirmed";

export interface OutboxEvents {
    dropped(kind: DurableClass, reason: DropReason): void;
    coalesced(): void;
}

/** As it stands in the store. */
interface Stored {
    readonly kind: DurableClass;
    readonly atMs: number;
    readonly envelope: Envelope;
}

interface Entry {
    readonly key: string;
    readonly kind: DurableClass;
    readonly resource: string;
    atMs: number;
    id: string;
    bytes: number;
    /** Undefined when it has to be read from the store. */
    envelope: Envelope | undefined;
    /** Writes under way; sent only when there are none, so that nothing is sent that a crash would forget. */
    writing: number;
    /** It was sent before, perhaps by a former run. */
    tried: boolean;
}

const ITEM = "item/";
const DROPS = "drops";
/** Key of the newest message that was ever sent, or ANY while the link is up: then any of them may have been. */
const TRIED = "tried";
const ANY = "~";
/** Contents kept in memory; what is beyond is read back when its turn comes. */
const CACHE_BYTES = 4 * 1024 * 1024;
/** Every so many messages it is the oldest of all, so that nothing waits for ever. */
const OLDEST_EACH = 4;

/** What has to reach the cloud, in order, on disk until it did. */
export class Outbox {
    readonly #store: DocumentStore;
    readonly #clock: Clock;
    readonly #limits: OutboxLimits;
    readonly #events: OutboxEvents;
    /** By key, in order of arrival. */
    readonly #entries = new Map<string, Entry>();
    readonly #unsent = new Map<string, Entry>();
    /** Of these the ones that are not a kept report: the present, which does not wait behind the past. */
    readonly #live = new Map<string, Entry>();
    readonly #sent = new Map<string, Entry>();
    /** The newest entry of a device that still takes values. */
    readonly #open = new Map<string, Entry>();
    /** Ids of reports that their sender may offer again, because it was started anew: they are here already. */
    readonly #kept = new Set<string>();
    /** Deletions that a full disk refused; they go along with the next write. */
    readonly #toDelete = new Set<string>();
    #sequence = 0;
    #turn = 0;
    #bytes = 0;
    #cachedBytes = 0;
    #drops: Record<string, number> = {};
    /** The counts in memory are newer than those in the store. */
    #uncounted = false;
    #storeId = "";
    #triedKey = "";

    constructor(store: DocumentStore, clock: Clock, limits: OutboxLimits, events: OutboxEvents) {
        this.#store = store;
        this.#clock = clock;
        this.#limits = limits;
        this.#events = events;
    }

    /** Reads what a former run left. */
    async load(): Promise<void> {
        this.#drops = (await this.#store.get<Record<string, number>>(DROPS)) ?? {};
        await this.renewStoreId();
        const tried = (await this.#store.get<string>(TRIED)) ?? "";
        for (const { key, value } of await this.#store.scan<Stored>(ITEM)) {
            const entry = this.#insert(key, value.kind, value.envelope, value.atMs);
            entry.tried = key <= tried;
            if (entry.tried) this.#triedKey = key;
            this.#sequence = Number(key.slice(ITEM.length));
        }
    }

    /** Names this store; another one after the data was lost. */
    get storeId(): string {
        return this.#storeId;
    }

    /** Gives the store another name when its record is gone; true when the name has changed. */
    async renewStoreId(): Promise<boolean> {
        const before = this.#storeId;
        const id = await this.#store.get<string>(STORE_ID);
        this.#storeId = id ?? randomUUID();
        if (id === undefined) await this.#store.write([{ op: "put", key: STORE_ID, value: this.#storeId }]);
        return this.#storeId !== before;
    }

    get size(): number {
        return this.#entries.size;
    }

    get bytes(): number {
        return this.#bytes;
    }

    get inFlight(): number {
        return this.#sent.size;
    }

    /** Messages dropped since this store exists, by "<class> <reason>". */
    get drops(): Readonly<Record<string, number>> {
        return this.#drops;
    }

    get dropped(): number {
        return Object.values(this.#drops).reduce((sum, count) => sum + count, 0);
    }

    /**
     * Resolves when the message is on disk.
     * @throws REDGE_LINK_OUTBOX_FULL, REDGE_STORE_FULL, REDGE_STORE_IO: nothing was kept
     */
    async add(envelope: Envelope, kind: DurableClass): Promise<void> {
        if (this.#kept.has(envelope.header.msg_id)) return;
        const open = kind === "twin" && !isKept(envelope) ? this.#open.get(envelope.route.resource) : undefined;
        const merged = open?.envelope === undefined ? undefined : mergeTwinReports(open.envelope, envelope);
        if (open !== undefined && merged !== undefined) {
            this.#events.coalesced();
            await this.#replace(open, merged);
            return;
        }
        const bytes = Buffer.byteLength(encodeEnvelope(envelope));
        if (bytes > this.#limits.maxBytes) {
            throw new RedgeError("REDGE_LINK_OUTBOX_FULL", { bytes, limit: this.#limits.maxBytes });
        }
        this.#sequence += 1;
        const key = ITEM + String(this.#sequence).padStart(16, "0");
        const entry = this.#insert(key, kind, envelope, this.#clock.nowMs());
        const dropping = this.#makeRoom(entry);
        try {
            await this.#persist(entry, envelope, dropping);
        } catch (thrown) {
            this.#remove(entry);
            for (const { op, key } of dropping) if (op === "delete") this.#toDelete.add(key);
            throw thrown;
        }
    }

    /**
     * The next message that may be sent now, marked as sent; undefined when there is none yet. Kept reports are in order among
     * themselves, and so are all others, which go before them: thousands of old reports hold up no state, event or newest value.
     */
    async next(): Promise<Envelope | undefined> {
        this.#turn = (this.#turn + 1) % OLDEST_EACH;
        const first = this.#turn !== 0 && this.#live.size > 0 ? this.#live : this.#unsent;
        for (const entry of first.values()) {
            this.#seal(entry);
            if (entry.writing > 0) return undefined;
            const envelope = entry.envelope ?? (await this.#store.get<Stored>(entry.key))?.envelope;
            this.#live.delete(entry.key);
            if (!this.#unsent.delete(entry.key)) return this.next();
            if (envelope === undefined) {
                this.#remove(entry);
                continue;
            }
            this.#sent.set(entry.id, entry);
            entry.tried = true;
            if (entry.key > this.#triedKey) this.#triedKey = entry.key;
            return envelope;
        }
        return undefined;
    }

    /** It arrived, or was refused for good (which is counted as dropped). False when the id is not one in flight. */
    settle(id: string, how: "delivered" | "refused"): boolean {
        const entry = this.#sent.get(id);
        if (entry === undefined) return false;
        this.#remove(entry);
        if (how === "refused") this.#count(entry.kind, "refused");
        void this.#write([{ op: "delete", key: entry.key }]).catch(() => this.#toDelete.add(entry.key));
        return true;
    }

    /** Notes that sending begins; nothing may be sent before it resolves. */
    async linkUp(): Promise<void> {
        await this.#write([{ op: "put", key: TRIED, value: ANY }]);
    }

    /** Notes how far sending came. Should it fail, the more careful note of `linkUp` stands. */
    async linkDown(): Promise<void> {
        await this.#write([{ op: "put", key: TRIED, value: this.#triedKey }]);
    }

    /** The connection is gone: everything that was not settled is sent again, in order. */
    rewind(): void {
        this.#sent.clear();
        this.#unsent.clear();
        this.#live.clear();
        for (const [key, entry] of this.#entries) {
            this.#unsent.set(key, entry);
            if (!this.#kept.has(entry.id)) this.#live.set(key, entry);
        }
    }

    /** Drops what is too old. */
    async expire(): Promise<void> {
        const oldestMs = this.#clock.nowMs() - this.#limits.maxAgeMs;
        const ops: StoreOp[] = [];
        for (const entry of this.#unsent.values()) {
            if (entry.atMs >= oldestMs || entry.writing > 0) continue;
            this.#remove(entry);
            this.#count(entry.kind, "age");
            ops.push({ op: "delete", key: entry.key });
        }
        if (ops.length > 0) await this.#write(ops);
    }

    #insert(key: string, kind: DurableClass, envelope: Envelope, atMs: number): Entry {
        const bytes = Buffer.byteLength(encodeEnvelope(envelope));
        const cached = this.#cachedBytes + bytes <= CACHE_BYTES;
        const { resource } = envelope.route;
        const id = envelope.header.msg_id;
        const kept = cached ? envelope : undefined;
        const entry: Entry = { key, kind, resource, atMs, id, bytes, envelope: kept, writing: 0, tried: false };
        if (cached) this.#cachedBytes += bytes;
        this.#bytes += bytes;
        this.#entries.set(key, entry);
        this.#unsent.set(key, entry);
        if (isKept(envelope)) this.#kept.add(id);
        else {
            this.#live.set(key, entry);
            if (kind === "twin") this.#open.set(resource, entry);
        }
        return entry;
    }

    async #replace(entry: Entry, envelope: Envelope): Promise<void> {
        const bytes = Buffer.byteLength(encodeEnvelope(envelope));
        this.#bytes += bytes - entry.bytes;
        this.#cachedBytes += bytes - entry.bytes;
        entry.bytes = bytes;
        entry.envelope = envelope;
        entry.id = envelope.header.msg_id;
        await this.#persist(entry, envelope, []);
    }

    async #persist(entry: Entry, envelope: Envelope, also: readonly StoreOp[]): Promise<void> {
        entry.writing += 1;
        const { kind, atMs } = entry;
        try {
            await this.#write([{ op: "put", key: entry.key, value: { kind, atMs, envelope } }, ...also]);
        } finally {
            entry.writing -= 1;
        }
    }

    /**
     * The oldest that certainly did not arrive go first, then those that may have; what is in flight stays. So the count
     * is exact as long as there are others.
     */
    #makeRoom(newest: Entry): readonly StoreOp[] {
        const ops: StoreOp[] = [];
        for (const tried of [false, true]) {
            for (const entry of this.#unsent.values()) {
                if (this.#entries.size <= this.#limits.maxMessages && this.#bytes <= this.#limits.maxBytes) return ops;
                if (entry === newest || entry.writing > 0 || entry.tried !== tried) continue;
                this.#remove(entry);
                this.#count(entry.kind, tried ? "unconfirmed" : "size");
                ops.push({ op: "delete", key: entry.key });
            }
        }
        return ops;
    }

    /** Goes to the store with the write that drops, or, should that fail, with the next one. */
    #count(kind: DurableClass, reason: DropReason): void {
        const name = `${kind} ${reason}`;
        this.#drops = { ...this.#drops, [name]: (this.#drops[name] ?? 0) + 1 };
        this.#uncounted = true;
        this.#events.dropped(kind, reason);
    }

    async #write(ops: readonly StoreOp[]): Promise<void> {
        const late = [...this.#toDelete];
        const counted = this.#uncounted ? [{ op: "put" as const, key: DROPS, value: this.#drops }] : [];
        const drops = this.#drops;
        await this.#store.write([...late.map((key) => ({ op: "delete" as const, key })), ...ops, ...counted]);
        for (const key of late) this.#toDelete.delete(key);
        if (this.#drops === drops) this.#uncounted = false;
    }

    /** From now on the entry takes no more values. */
    #seal(entry: Entry): void {
        if (this.#open.get(entry.resource) === entry) this.#open.delete(entry.resource);
    }

    #remove(entry: Entry): void {
        if (!this.#entries.delete(entry.key)) return;
        this.#kept.delete(entry.id);
        this.#unsent.delete(entry.key);
        this.#live.delete(entry.key);
        if (this.#sent.get(entry.id) === entry) this.#sent.delete(entry.id);
        if (this.#open.get(entry.resource) === entry) this.#open.delete(entry.resource);
        this.#bytes -= entry.bytes;
        if (entry.envelope !== undefined) this.#cachedBytes -= entry.bytes;
    }
}

/** Every value of such a report counts: it is not merged with another one. */
function isKept({ header }: Envelope): boolean {
    return header.type === MessageType.keepAll;
}
