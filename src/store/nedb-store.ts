// SPDX-License-Identifier: Apache-2.0
import { type FileHandle, open, rm } from "node:fs/promises";
import { dirname } from "node:path";
import Datastore from "@seald-io/nedb";
import type { Ports } from "../core/component.ts";
import { errorText, RedgeError } from "../core/errors/redge-error.ts";
import { type Batch, CommitQueue } from "./commit-queue.ts";
import { toTextOps } from "./document-text.ts";
import { ioError } from "./io-error.ts";
import { KeyIndex } from "./key-index.ts";
import { AppendFile, Replacement, syncFolder, temporaryOf } from "./nedb-file.ts";
import { batchLines, FORMAT_LINE, putLine } from "./nedb-lines.ts";
import { type FileContent, readDataFile } from "./nedb-reader.ts";
import { keepAside } from "./quarantine.ts";
import type { DocumentStore, ScanOptions, StoreEntry, StoreOp } from "./store.ts";
import { STORE_ID } from "./store-id.ts";

interface Document {
    readonly _id: string;
    readonly v: string;
}

/** Documents read in one turn of the event loop while loading or compacting. */
const CHUNK_DOCUMENTS = 500;
/** Dead lines are tolerated up to the number of live ones and this many. */
const SPARE_LINES = 2_000;

/**
 * nedb with a disk it can trust. nedb keeps and queries the documents in memory; the file, in nedb's own format, is
 * written here: an operation reaches nedb only after its line was flushed and read back, so memory is never ahead of
 * the disk, and what a crash, a full disk or a power cut leaves is recovered (nedb itself flushes nothing, refuses
 * short torn files and loses the write after a full disk).
 */
export class NedbStore implements DocumentStore {
    readonly #path: string;
    readonly #ports: Pick<Ports, "log" | "clock">;
    readonly #documents = new Datastore<Document>({ inMemoryOnly: true });
    readonly #queue = new CommitQueue((batches) => this.#commit(batches));
    #index = new KeyIndex();
    #file: AppendFile | undefined;
    #lines = 0;
    /** What was committed since a compaction took its snapshot. */
    #sinceSnapshot: Buffer[] | undefined;
    #compaction: Promise<void> | undefined;
    #closing: Promise<void> | undefined;

    private constructor(path: string, ports: Pick<Ports, "log" | "clock">) {
        this.#path = path;
        this.#ports = ports;
    }

    /**
     * Opens or creates the file; its folder must exist and nobody else may have it open.
     * @throws REDGE_STORE_NEWER, REDGE_STORE_FULL, REDGE_STORE_IO
     */
    static async open(path: string, ports: Pick<Ports, "log" | "clock">): Promise<NedbStore> {
        const store = new NedbStore(path, ports);
        try {
            await store.#load();
        } catch (error) {
            throw ioError(path, error);
        }
        return store;
    }

    async get<T = unknown>(key: string): Promise<T | undefined> {
        this.#assertOpen();
        const document: Document | null = await this.#documents.findOneAsync<Document>({ _id: key });
        return document === null ? undefined : (JSON.parse(document.v) as T);
    }

    async scan<T = unknown>(prefix: string, options?: ScanOptions): Promise<readonly StoreEntry<T>[]> {
        this.#assertOpen();
        const keys = this.#index.window(prefix, options);
        const ends = [keys[0], keys.at(-1)];
        const [first, last] = options?.reverse ? ends.reverse() : ends;
        if (first === undefined || last === undefined) return [];
        // A range query walks nedb's tree from the first key to the last and meets nothing else.
        const found: Document[] = await this.#documents.findAsync<Document>({ _id: { $gte: first, $lte: last } });
        if (options?.reverse) found.reverse();
        return found.map(({ _id, v }) => ({ key: _id, value: JSON.parse(v) as T }));
    }

    async write(ops: readonly StoreOp[]): Promise<void> {
        this.#assertOpen();
        const batch = toTextOps(ops);
        if (batch.length > 0) await this.#queue.push(batch);
    }

    /** Rewrites the file without its dead lines; writes go on meanwhile. Runs by itself when it is worth it. */
    compact(): Promise<void> {
        this.#compaction ??= this.#rewrite().finally(() => {
            this.#compaction = undefined;
        });
        return this.#compaction;
    }

    async purge(): Promise<void> {
        await this.#compaction; // One under way may have begun before the write that is to vanish.
        await this.compact();
    }

    close(): Promise<void> {
        this.#closing ??= this.#shut();
        return this.#closing;
    }

    async #shut(): Promise<void> {
        await this.#queue.drain();
        await this.#compaction?.catch(() => undefined); // Reported where it was started.
        await this.#file?.close();
    }

    async #commit(batches: readonly Batch[]): Promise<void> {
        const bytes = Buffer.from(batches.map(batchLines).join(""), "utf8");
        await this.#openFile().append(bytes);
        this.#sinceSnapshot?.push(bytes);
        const applied: Promise<unknown>[] = [];
        for (const op of batches.flat()) {
            this.#lines += 1;
            if (op.op === "put") {
                this.#index.add(op.key);
                const document = { _id: op.key, v: op.text };
                applied.push(this.#documents.updateAsync({ _id: op.key }, document, { upsert: true }));
            } else {
                this.#index.remove(op.key);
                applied.push(this.#documents.removeAsync({ _id: op.key }, {}));
            }
        }
        await Promise.all(applied);
        if (this.#lines > 2 * this.#index.size + SPARE_LINES && this.#closing === undefined) this.#compactSoon();
    }

    #compactSoon(): void {
        if (this.#compaction !== undefined) return;
        this.compact().catch((error: unknown) => {
            // The old file stays good; the next attempt comes when as many lines again have gathered.
            this.#lines = this.#index.size;
            this.#ports.log.warn("the store could not be compacted", { path: this.#path, reason: errorText(error) });
        });
    }

    async #rewrite(): Promise<void> {
        const snapshot = await this.#queue.exclusive(async () => {
            this.#sinceSnapshot = [];
            return this.#documents.getAllData<Document>();
        });
        let replacement: Replacement | undefined;
        try {
            replacement = await Replacement.begin(this.#path);
            await writeDocuments(replacement, snapshot);
            const ready = replacement;
            await this.#queue.exclusive(async () => {
                await ready.write(Buffer.concat(this.#sinceSnapshot ?? []));
                const old = this.#openFile();
                this.#file = await ready.takePlace();
                replacement = undefined;
                this.#lines = this.#index.size;
                await old.close();
            });
        } catch (error) {
            await replacement?.abandon();
            throw ioError(this.#path, error);
        } finally {
            this.#sinceSnapshot = undefined;
        }
    }

    async #load(): Promise<void> {
        await rm(temporaryOf(this.#path), { force: true });
        const handle = await open(this.#path, "a+", 0o600).then(async (created) => {
            await created.close();
            await syncFolder(dirname(this.#path));
            return open(this.#path, "r+");
        });
        let content: FileContent;
        try {
            content = await readDataFile(handle, this.#path);
            await this.#mend(handle, content);
        } catch (error) {
            await handle.close();
            throw error;
        }
        if (content.lossy) content.texts.delete(STORE_ID);
        await this.#fill(content.texts);
        this.#lines = content.lines;
        this.#file = new AppendFile(this.#path, handle, Math.min(content.goodLength, content.fileLength));
        if (content.rewrite) await this.#rewrite();
    }

    /** Cuts a torn tail off and keeps damaged parts aside. */
    async #mend(handle: FileHandle, content: FileContent): Promise<void> {
        const { damaged, goodLength, fileLength } = content;
        if (damaged.length > 0) {
            const kept = await keepAside(this.#path, handle, damaged, this.#ports.clock.nowMs());
            this.#ports.log.error("a part of the store is damaged and was put aside", { path: this.#path, kept });
        }
        if (goodLength < fileLength) {
            await handle.truncate(goodLength);
            await handle.datasync();
            const bytes = fileLength - goodLength;
            this.#ports.log.info("an interrupted write was removed from the store", { path: this.#path, bytes });
        }
    }

    async #fill(texts: Map<string, string>): Promise<void> {
        const keys = [...texts.keys()];
        for (let at = 0; at < keys.length; at += CHUNK_DOCUMENTS) {
            const chunk = keys.slice(at, at + CHUNK_DOCUMENTS);
            await this.#documents.insertAsync(chunk.map((key) => ({ _id: key, v: texts.get(key) ?? "null" })));
        }
        texts.clear();
        this.#index = new KeyIndex(keys);
    }

    #openFile(): AppendFile {
        if (this.#file === undefined) throw new RedgeError("REDGE_STORE_CLOSED", { path: this.#path });
        return this.#file;
    }

    #assertOpen(): void {
        if (this.#closing !== undefined) throw new RedgeError("REDGE_STORE_CLOSED", { path: this.#path });
    }
}

async function writeDocuments(target: Replacement, documents: readonly Document[]): Promise<void> {
    await target.write(Buffer.from(FORMAT_LINE, "utf8"));
    for (let at = 0; at < documents.length; at += CHUNK_DOCUMENTS) {
        const lines = documents.slice(at, at + CHUNK_DOCUMENTS).map(({ _id, v }) => putLine(_id, v));
        await target.write(Buffer.from(lines.join(""), "utf8"));
    }
}
