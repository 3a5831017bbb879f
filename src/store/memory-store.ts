// SPDX-License-Identifier: Apache-2.0
import { RedgeError } from "../core/errors/redge-error.ts";
import { type TextOp, toTextOps } from "./document-text.ts";
import { KeyIndex } from "./key-index.ts";
import type { DocumentStore, ScanOptions, StoreEntry, StoreOp } from "./store.ts";

/** The store's memory twin: same answers, nothing on disk. For tests and for what may be lost. */
export class MemoryStore implements DocumentStore {
    readonly #texts = new Map<string, string>();
    readonly #index = new KeyIndex();
    #closed = false;

    async get<T = unknown>(key: string): Promise<T | undefined> {
        this.#assertOpen();
        const text = this.#texts.get(key);
        return text === undefined ? undefined : (JSON.parse(text) as T);
    }

    async scan<T = unknown>(prefix: string, options?: ScanOptions): Promise<readonly StoreEntry<T>[]> {
        this.#assertOpen();
        return this.#index.window(prefix, options).map((key) => ({
            key,
            value: JSON.parse(this.#texts.get(key) ?? "null") as T,
        }));
    }

    async write(ops: readonly StoreOp[]): Promise<void> {
        this.#assertOpen();
        for (const op of toTextOps(ops)) this.#apply(op);
    }

    async close(): Promise<void> {
        this.#closed = true;
    }

    #apply(op: TextOp): void {
        if (op.op === "put") {
            this.#texts.set(op.key, op.text);
            this.#index.add(op.key);
        } else {
            this.#texts.delete(op.key);
            this.#index.remove(op.key);
        }
    }

    #assertOpen(): void {
        if (this.#closed) throw new RedgeError("REDGE_STORE_CLOSED", { path: "memory" });
    }
}
