// SPDX-License-Identifier: Apache-2.0

export type StoreOp =
    | {
          readonly op: "put";
          readonly key: string;
          readonly value: unknown;
          /** Never in plain text on the disk: sealed with the store's key. */
          readonly secret?: boolean;
      }
    | { readonly op: "delete"; readonly key: string };

export interface StoreEntry<T> {
    readonly key: string;
    readonly value: T;
    /** `open`: it lay sealed and was read. `shut`: no key here opens it, and `value` is what lies in the file. */
    readonly sealed?: "open" | "shut";
}

export interface ScanOptions {
    /** Start behind this key. */
    readonly after?: string;
    readonly limit?: number;
    readonly reverse?: boolean;
}

/**
 * JSON documents by key, ordered by key (UTF-16 code unit order). One writer process.
 * `T` is the caller's claim: values come back as parsed JSON and are parsed again where they cross a trust boundary.
 */
export interface DocumentStore {
    get<T = unknown>(key: string): Promise<T | undefined>;
    /** Entries whose key begins with `prefix`, in key order. */
    scan<T = unknown>(prefix: string, options?: ScanOptions): Promise<readonly StoreEntry<T>[]>;
    /**
     * All or none of the operations, in order. Resolved means on disk: it survives `kill -9` and a power cut.
     * @throws REDGE_STORE_FULL when the disk is full (nothing was changed), REDGE_STORE_IO otherwise
     */
    write(ops: readonly StoreOp[]): Promise<void>;
    /** Writes the file anew, so that nothing that was replaced or deleted is left in it. Absent: nothing lies in files. */
    purge?(): Promise<void>;
    /** Flushes and releases the file. Idempotent. */
    close(): Promise<void>;
}

/** A view of a store below a key prefix, for one component. Closing it does nothing: the owner closes the store. */
export function below(store: DocumentStore, prefix: string): DocumentStore {
    return {
        get: (key) => store.get(prefix + key),
        scan: async (inner, options) => {
            const after = options?.after === undefined ? {} : { after: prefix + options.after };
            const entries = await store.scan<never>(prefix + inner, { ...options, ...after });
            return entries.map((entry) => ({ ...entry, key: entry.key.slice(prefix.length) }));
        },
        write: (ops) => store.write(ops.map((op) => ({ ...op, key: prefix + op.key }))),
        ...(store.purge === undefined ? {} : { purge: () => store.purge?.() ?? Promise.resolve() }),
        close: async () => {},
    };
}
