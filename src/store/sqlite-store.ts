// SPDX-License-Identifier: Apache-2.0
import { closeSync, existsSync, fsyncSync, openSync } from "node:fs";
import { chmod, copyFile, rename, rm } from "node:fs/promises";
import type { DatabaseSync, SQLInputValue, StatementSync } from "node:sqlite";
import type { Ports } from "../core/component.ts";
import { errorText, RedgeError } from "../core/errors/redge-error.ts";
import { type Batch, CommitQueue } from "./commit-queue.ts";
import { toTextOps } from "./document-text.ts";
import { ioError } from "./io-error.ts";
import { quarantinePath } from "./quarantine.ts";
import { behindPrefix, decodeKey, encodeKey } from "./sqlite-key.ts";
import type { DocumentStore, ScanOptions, StoreEntry, StoreOp } from "./store.ts";
import { STORE_ID } from "./store-id.ts";

const FORMAT = 1;
/** "Redg": lets `file` and others tell what a database is. */
const APPLICATION_ID = 0x52656467;
const COMPANIONS = ["", "-wal", "-shm"];
const SQLITE_CORRUPT = 11;
const SQLITE_NOTADB = 26;
const DAMAGED = new Set([SQLITE_CORRUPT, SQLITE_NOTADB]);

/**
 * node:sqlite with a write-ahead log and synchronous=FULL: each commit is flushed before it is acknowledged. Batches
 * that arrive together share a transaction. Keys are blobs in the store's order, values JSON text.
 */
export class SqliteStore implements DocumentStore {
    readonly #path: string;
    readonly #database: DatabaseSync;
    readonly #get: StatementSync;
    readonly #put: StatementSync;
    readonly #delete: StatementSync;
    readonly #scans = new Map<string, StatementSync>();
    readonly #queue = new CommitQueue((batches) => this.#commit(batches));
    #closing: Promise<void> | undefined;

    private constructor(path: string, database: DatabaseSync) {
        this.#path = path;
        this.#database = database;
        this.#get = database.prepare("SELECT v FROM documents WHERE k = ?");
        this.#put = database.prepare(
            "INSERT INTO documents (k, v) VALUES (?, ?) ON CONFLICT (k) DO UPDATE SET v = excluded.v",
        );
        this.#delete = database.prepare("DELETE FROM documents WHERE k = ?");
    }

    /**
     * Opens or creates the database; its folder must exist and nobody else may have it open.
     * @throws REDGE_STORE_ENGINE, REDGE_STORE_NEWER, REDGE_STORE_FULL, REDGE_STORE_IO
     */
    static async open(path: string, ports: Pick<Ports, "log" | "clock">): Promise<SqliteStore> {
        const sqlite = await import("node:sqlite").catch((error: unknown) => {
            const reason = `Node.js ${process.versions.node}: ${errorText(error)}`;
            throw new RedgeError("REDGE_STORE_ENGINE", { engine: "sqlite", reason }, error);
        });
        const openFile = (file: string): DatabaseSync => new sqlite.DatabaseSync(file);
        try {
            try {
                return new SqliteStore(path, await prepare(path, openFile));
            } catch (error) {
                if (!DAMAGED.has((error as { errcode?: number }).errcode ?? 0)) throw error;
                const kept = await salvage(path, openFile, ports.clock.nowMs());
                ports.log.error("the store was damaged; what could be read was taken over", { path, kept });
                return new SqliteStore(path, await prepare(path, openFile));
            }
        } catch (error) {
            throw ioError(path, error);
        }
    }

    async get<T = unknown>(key: string): Promise<T | undefined> {
        this.#assertOpen();
        const row = this.#read(() => this.#get.get(encodeKey(key)));
        return row === undefined ? undefined : (JSON.parse(String(row["v"])) as T);
    }

    async scan<T = unknown>(prefix: string, options: ScanOptions = {}): Promise<readonly StoreEntry<T>[]> {
        this.#assertOpen();
        // One bound each way: of two on the same side SQLite uses one for seeking and reads past all the other excludes.
        let from = { operator: ">=", key: encodeKey(prefix) };
        const behind = behindPrefix(from.key);
        let to = behind === undefined ? undefined : { operator: "<", key: behind };
        const after = options.after === undefined ? undefined : encodeKey(options.after);
        if (after !== undefined && options.reverse) {
            if (to === undefined || after.compare(to.key) < 0) to = { operator: "<", key: after };
        } else if (after !== undefined && after.compare(from.key) >= 0) {
            from = { operator: ">", key: after };
        }
        const bounds = to === undefined ? [from] : [from, to];
        const conditions = bounds.map(({ operator }) => `k ${operator} ?`);
        const values: SQLInputValue[] = bounds.map(({ key }) => key);
        const order = options.reverse ? "DESC" : "ASC";
        const sql = `SELECT k, v FROM documents WHERE ${conditions.join(" AND ")} ORDER BY k ${order} LIMIT ?`;
        values.push(options.limit ?? -1);
        const rows = this.#read(() => this.#statement(sql).all(...values));
        return rows.map((row) => ({
            key: decodeKey(row["k"] as Uint8Array),
            value: JSON.parse(String(row["v"])) as T,
        }));
    }

    async write(ops: readonly StoreOp[]): Promise<void> {
        this.#assertOpen();
        const batch = toTextOps(ops);
        if (batch.length > 0) await this.#queue.push(batch);
    }

    purge(): Promise<void> {
        return this.#queue.exclusive(async () => {
            this.#read(() => this.#database.exec("VACUUM; PRAGMA wal_checkpoint(TRUNCATE)"));
        });
    }

    close(): Promise<void> {
        this.#closing ??= this.#queue.drain().then(() => this.#database.close());
        return this.#closing;
    }

    #commit(batches: readonly Batch[]): void {
        try {
            this.#database.exec("BEGIN IMMEDIATE");
            for (const op of batches.flat()) {
                if (op.op === "put") this.#put.run(encodeKey(op.key), op.text);
                else this.#delete.run(encodeKey(op.key));
            }
            this.#database.exec("COMMIT");
        } catch (error) {
            this.#rollBack();
            throw ioError(this.#path, error);
        }
    }

    #rollBack(): void {
        try {
            this.#database.exec("ROLLBACK");
        } catch {
            // A full disk makes SQLite roll back by itself; then there is no transaction left to end.
        }
    }

    #read<T>(query: () => T): T {
        try {
            return query();
        } catch (error) {
            throw ioError(this.#path, error);
        }
    }

    #statement(sql: string): StatementSync {
        let statement = this.#scans.get(sql);
        if (statement === undefined) {
            statement = this.#database.prepare(sql);
            this.#scans.set(sql, statement);
        }
        return statement;
    }

    #assertOpen(): void {
        if (this.#closing !== undefined) throw new RedgeError("REDGE_STORE_CLOSED", { path: this.#path });
    }
}

async function prepare(path: string, openFile: (file: string) => DatabaseSync): Promise<DatabaseSync> {
    // A clean end leaves no log behind. Reading every page is worth it after any other end only.
    const interrupted = existsSync(`${path}-wal`);
    closeSync(openSync(path, "a", 0o600)); // SQLite would create it readable for all.
    const database = openFile(path);
    try {
        const found = Number(database.prepare("PRAGMA user_version").get()?.["user_version"] ?? 0);
        if (found > FORMAT) throw new RedgeError("REDGE_STORE_NEWER", { path, found, known: FORMAT });
        database.exec("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
        // A page cache of 2 MiB and nothing mapped: the edge has little memory.
        database.exec("PRAGMA cache_size = -2048; PRAGMA mmap_size = 0; PRAGMA temp_store = MEMORY");
        if (interrupted) checkPages(database);
        database.exec(`BEGIN IMMEDIATE;
            CREATE TABLE IF NOT EXISTS documents (k BLOB PRIMARY KEY, v TEXT NOT NULL) WITHOUT ROWID;
            PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${FORMAT}; COMMIT`);
        await chmod(path, 0o600);
        return database;
    } catch (error) {
        database.close();
        throw error;
    }
}

function checkPages(database: DatabaseSync): void {
    const checked = database.prepare("PRAGMA quick_check(1)").get()?.["quick_check"];
    if (checked !== "ok") throw Object.assign(new Error(String(checked)), { errcode: SQLITE_CORRUPT });
}

/** Moves a damaged database aside and reads what it still gives, from both ends, into a new one. */
async function salvage(path: string, openFile: (file: string) => DatabaseSync, nowMs: number): Promise<string> {
    const kept = quarantinePath(path, nowMs);
    const copy = `${path}.salvage`;
    for (const suffix of COMPANIONS) {
        await rename(path + suffix, kept + suffix).catch(ignoreAbsent);
        await copyFile(kept + suffix, copy + suffix).catch(ignoreAbsent);
    }
    const target = await prepare(path, openFile);
    try {
        const put = target.prepare("INSERT OR REPLACE INTO documents (k, v) VALUES (?, ?)");
        target.exec("BEGIN");
        for (const order of ["ASC", "DESC"]) readRows(copy, openFile, order, (k, v) => put.run(k, v));
        target.prepare("DELETE FROM documents WHERE k = ?").run(encodeKey(STORE_ID));
        target.exec("COMMIT");
    } finally {
        target.close();
        for (const suffix of COMPANIONS) await rm(copy + suffix, { force: true });
    }
    syncFile(path);
    return kept;
}

function readRows(
    file: string,
    openFile: (file: string) => DatabaseSync,
    order: string,
    take: (k: Uint8Array, v: string) => void,
): void {
    let source: DatabaseSync | undefined;
    try {
        source = openFile(file);
        for (const row of source.prepare(`SELECT k, v FROM documents ORDER BY k ${order}`).iterate()) {
            if (row["k"] instanceof Uint8Array && typeof row["v"] === "string") take(row["k"], row["v"]);
        }
    } catch {
        // Expected: the damage is somewhere on the way. What came before it has been taken.
    } finally {
        source?.close();
    }
}

function syncFile(path: string): void {
    const file = openSync(path, "r+");
    fsyncSync(file);
    closeSync(file);
}

function ignoreAbsent(error: NodeJS.ErrnoException): void {
    if (error.code !== "ENOENT") throw error;
}
