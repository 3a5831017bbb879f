// SPDX-License-Identifier: Apache-2.0
import { mkdir } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import type { Ports } from "../core/component.ts";
import type { ConfigSchema } from "../core/config.ts";
import { RedgeError } from "../core/errors/redge-error.ts";
import { ioError } from "./io-error.ts";
import { KeyRing } from "./key-ring.ts";
import { lockStore } from "./lock.ts";
import { SealedStore } from "./sealed-store.ts";
import type { DocumentStore } from "./store.ts";

export interface StoreConfig {
    readonly engine: "nedb" | "sqlite";
    /** The data file. Its folder is made when it is missing, readable for the owner alone. */
    readonly path: string;
    /** Where the key of secret records is kept, made when first needed. Absent: `identity/store.key` beside the file. */
    readonly keyFile?: string;
    /** The operator's own key, 32 bytes as hex or base64, in place of a key file. */
    readonly key?: string;
    /** The key before that one, for as long as records may lie sealed with it. */
    readonly previousKey?: string;
}

export const storeConfig = {
    type: "object",
    properties: {
        engine: { type: "string", enum: ["nedb", "sqlite"], default: "nedb" },
        path: { type: "string", minLength: 1 },
        keyFile: { type: "string", minLength: 1 },
        key: { type: "string", minLength: 1 },
        previousKey: { type: "string", minLength: 1 },
    },
    required: ["engine", "path"],
} as const satisfies ConfigSchema;

/**
 * Opens the store of a process: locked against a second one, recovered from whatever stopped the last one, brought to
 * this version's format. Damaged parts are put aside and reported; the rest is served.
 * @throws REDGE_STORE_LOCKED, REDGE_STORE_NEWER, REDGE_STORE_ENGINE, REDGE_STORE_FULL, REDGE_STORE_IO,
 *   REDGE_STORE_KEY for an operator's key that is none
 */
export async function openStore(config: StoreConfig, ports: Pick<Ports, "log" | "clock">): Promise<DocumentStore> {
    const path = resolve(config.path);
    let unlock: () => Promise<void>;
    try {
        await mkdir(dirname(path), { recursive: true, mode: 0o700 });
        unlock = await lockStore(path);
    } catch (error) {
        throw ioError(path, error);
    }
    let engine: DocumentStore | undefined;
    try {
        const keys = new KeyRing(config.keyFile ?? join(dirname(path), "identity", "store.key"), ports, config);
        engine = await openEngine(config.engine, path, ports);
        return unlocking(await SealedStore.open(engine, keys, ports.log), unlock);
    } catch (error) {
        await engine?.close();
        await unlock();
        throw error;
    }
}

/** Engines are loaded when they are asked for: each costs memory that the other's users need not pay. */
async function openEngine(
    engine: StoreConfig["engine"],
    path: string,
    ports: Pick<Ports, "log" | "clock">,
): Promise<DocumentStore> {
    switch (engine) {
        case "nedb":
            return (await import("./nedb-store.ts")).NedbStore.open(path, ports);
        case "sqlite":
            return (await import("./sqlite-store.ts")).SqliteStore.open(path, ports);
        default:
            throw new RedgeError("REDGE_STORE_ENGINE", { engine: String(engine), reason: "there is no such engine" });
    }
}

/** The store, giving its lock back when it is closed. */
function unlocking(store: DocumentStore, unlock: () => Promise<void>): DocumentStore {
    let closing: Promise<void> | undefined;
    return {
        get: (key) => store.get(key),
        scan: (prefix, options) => store.scan(prefix, options),
        write: (ops) => store.write(ops),
        ...(store.purge === undefined ? {} : { purge: () => store.purge?.() ?? Promise.resolve() }),
        close: () => {
            closing ??= store.close().finally(unlock);
            return closing;
        },
    };
}
