// SPDX-License-Identifier: Apache-2.0
import { fstatSync, readSync, writeSync } from "node:fs";
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { RedgeError } from "../core/errors/redge-error.ts";
import { ioError } from "./io-error.ts";

/** An append-only file that ends where the last acknowledged write ends, whatever goes wrong. */
export class AppendFile {
    readonly #path: string;
    readonly #handle: FileHandle;
    #length: number;
    /** Bytes of a failed write may stand behind `#length`. */
    #dirty = false;

    constructor(path: string, handle: FileHandle, length: number) {
        this.#path = path;
        this.#handle = handle;
        this.#length = length;
    }

    get length(): number {
        return this.#length;
    }

    /**
     * Writes, flushes (fdatasync) and reads back; on failure the file is as long as before.
     * @throws REDGE_STORE_FULL, REDGE_STORE_IO
     */
    async append(bytes: Buffer): Promise<void> {
        try {
            if (this.#dirty) await this.#cut();
            this.#dirty = true;
            // Into the page cache and back costs microseconds; only the flush is worth a thread of its own.
            writeAllSync(this.#handle.fd, bytes, this.#length);
            await this.#handle.datasync();
            this.#verify(bytes);
            this.#length += bytes.length;
            this.#dirty = false;
        } catch (error) {
            // When cutting fails too the file stays marked, and the next append cuts first.
            await this.#cut().catch(() => undefined);
            throw ioError(this.#path, error);
        }
    }

    async close(): Promise<void> {
        await this.#handle.close();
    }

    async #cut(): Promise<void> {
        await this.#handle.truncate(this.#length);
        await this.#handle.datasync();
        this.#dirty = false;
    }

    #verify(bytes: Buffer): void {
        const { size, nlink } = fstatSync(this.#handle.fd);
        if (nlink === 0) throw this.#changed("the file was removed while it was in use");
        if (size !== this.#length + bytes.length) throw this.#changed("something else writes to the file");
        const back = Buffer.allocUnsafe(bytes.length);
        let read = 0;
        while (read < back.length) {
            const bytesRead = readSync(this.#handle.fd, back, read, back.length - read, this.#length + read);
            if (bytesRead === 0) break;
            read += bytesRead;
        }
        if (!back.equals(bytes)) throw this.#changed("what was written does not read back");
    }

    #changed(reason: string): RedgeError {
        return new RedgeError("REDGE_STORE_IO", { path: this.#path, reason });
    }
}

/** A file that takes another's place at once and whole, or not at all. */
export class Replacement {
    readonly #path: string;
    readonly #handle: FileHandle;
    #length = 0;

    private constructor(path: string, handle: FileHandle) {
        this.#path = path;
        this.#handle = handle;
    }

    static async begin(path: string): Promise<Replacement> {
        return new Replacement(path, await open(temporaryOf(path), "w+", 0o600));
    }

    async write(bytes: Buffer): Promise<void> {
        await writeAll(this.#handle, bytes, this.#length);
        this.#length += bytes.length;
    }

    /** Flushes and renames. The file that was there is replaced, whoever still has it open. */
    async takePlace(): Promise<AppendFile> {
        await this.#handle.datasync();
        await rename(temporaryOf(this.#path), this.#path);
        await syncFolder(dirname(this.#path));
        return new AppendFile(this.#path, this.#handle, this.#length);
    }

    async abandon(): Promise<void> {
        await this.#handle.close();
        await rm(temporaryOf(this.#path), { force: true });
    }
}

/** nedb's name for it. */
export function temporaryOf(path: string): string {
    return `${path}~`;
}

/** Makes creations and renames in a folder durable, where the system can. */
export async function syncFolder(folder: string): Promise<void> {
    if (process.platform === "win32") return; // Windows cannot open folders; NTFS journals names itself.
    const handle = await open(folder, "r");
    try {
        await handle.sync();
    } finally {
        await handle.close();
    }
}

function writeAllSync(fd: number, bytes: Buffer, position: number): void {
    let written = 0;
    while (written < bytes.length) written += writeSync(fd, bytes, written, bytes.length - written, position + written);
}

async function writeAll(handle: FileHandle, bytes: Buffer, position: number): Promise<void> {
    let written = 0;
    while (written < bytes.length) {
        const { bytesWritten } = await handle.write(bytes, written, bytes.length - written, position + written);
        written += bytesWritten;
    }
}
