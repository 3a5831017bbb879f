// SPDX-License-Identifier: Apache-2.0
import type { Ports } from "../core/component.ts";
import { RedgeError } from "../core/errors/redge-error.ts";
import { toText } from "./document-text.ts";
import type { KeyRing } from "./key-ring.ts";
import { isSealed, keyIdOf, type SealKey, seal, unseal } from "./seal.ts";
import type { DocumentStore, ScanOptions, StoreEntry, StoreOp } from "./store.ts";

/** Records sealed anew in one write while a key is replaced. */
const RESEAL_BATCH = 200;

/**
 * A store whose secret records (`secret: true`) lie sealed in its file. Nobody who reads needs to know; a record that no
 * key opens comes back as it lies there, marked `shut`, for its owner to set aside.
 */
export class SealedStore implements DocumentStore {
    readonly #inner: DocumentStore;
    readonly #keys: KeyRing;
    readonly #log: Ports["log"];
    #key: SealKey | undefined;
    /** The key is being made: writes wait, so that they keep their order. */
    #making: Promise<unknown> | undefined;
    #reported = false;
    readonly purge?: () => Promise<void>;

    private constructor(inner: DocumentStore, keys: KeyRing, log: Ports["log"]) {
        this.#inner = inner;
        this.#keys = keys;
        this.#log = log;
        if (inner.purge !== undefined) this.purge = () => inner.purge?.() ?? Promise.resolve();
    }

    /** Reads the keys, and replaces older ones by the newest in every record before they are forgotten. */
    static async open(inner: DocumentStore, keys: KeyRing, log: Ports["log"]): Promise<SealedStore> {
        const store = new SealedStore(inner, keys, log);
        await keys.load();
        if (keys.all.size > 1) await store.#reseal();
        return store;
    }

    async get<T = unknown>(key: string): Promise<T | undefined> {
        const value = await this.#inner.get<T>(key);
        return value === undefined ? undefined : this.#opened({ key, value }).value;
    }

    async scan<T = unknown>(prefix: string, options?: ScanOptions): Promise<readonly StoreEntry<T>[]> {
        const entries = (await this.#inner.scan<T>(prefix, options)).map((entry) => this.#opened(entry));
        const records = entries.filter(({ sealed }) => sealed === "shut").length;
        if (records > 0) this.#reportShut(records);
        return entries;
    }

    async write(ops: readonly StoreOp[]): Promise<void> {
        if (this.#making === undefined && this.#key === undefined && ops.some(isSecret)) {
            this.#making = this.#keys.current().then((key) => {
                this.#key = key;
            });
            this.#making
                .catch(() => {})
                .finally(() => {
                    this.#making = undefined;
                });
        }
        if (this.#making !== undefined) await this.#making;
        await this.#inner.write(ops.map((op) => this.#sealed(op)));
    }

    close(): Promise<void> {
        return this.#inner.close();
    }

    #sealed(op: StoreOp): StoreOp {
        if (!isSecret(op) || this.#key === undefined || isSealed(op.value)) return op;
        return { op: "put", key: op.key, value: seal(this.#key, op.key, toText(op.key, op.value)) };
    }

    #opened<T>(entry: StoreEntry<T>): StoreEntry<T> {
        if (!isSealed(entry.value)) return entry;
        const text = unseal(this.#keys.all, entry.key, entry.value);
        if (text === undefined) return { ...entry, sealed: "shut" };
        return { key: entry.key, value: JSON.parse(text) as T, sealed: "open" };
    }

    /** @throws REDGE_STORE_*; then the older keys stay, and the next opening goes on */
    async #reseal(): Promise<void> {
        const { id } = await this.#keys.current();
        const older = (await this.#inner.scan(""))
            .filter(({ value }) => isSealed(value) && keyIdOf(value) !== id)
            .map((entry) => this.#opened(entry))
            .filter(({ sealed }) => sealed === "open");
        for (let at = 0; at < older.length; at += RESEAL_BATCH) {
            const batch = older.slice(at, at + RESEAL_BATCH);
            await this.write(batch.map(({ key, value }) => ({ op: "put", key, value, secret: true })));
        }
        await this.#inner.purge?.();
        await this.#keys.dropOlder();
        this.#log.info("the store has a new key", { records: older.length });
    }

    #reportShut(records: number): void {
        if (this.#reported) return;
        this.#reported = true;
        const error = new RedgeError("REDGE_STORE_SEALED", { records });
        this.#log.error(error.message, { error });
    }
}

function isSecret(op: StoreOp): op is Extract<StoreOp, { op: "put" }> {
    return op.op === "put" && op.secret === true;
}
