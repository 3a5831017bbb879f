// SPDX-License-Identifier: Apache-2.0
import { randomUUID } from "node:crypto";
import { mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { syncFolder } from "./nedb-file.ts";

/** Undefined when there is no such file. */
export async function readIfThere(path: string): Promise<Buffer | undefined> {
    try {
        return await readFile(path);
    } catch (error) {
        if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
        throw error;
    }
}

/** The file holds the old or the new content, never half of one, also after a power cut. Folders are made 0700. */
export async function writeWhole(path: string, content: string | Buffer, mode: number): Promise<void> {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    const draft = `${path}.${randomUUID()}`;
    try {
        const handle = await open(draft, "wx", mode);
        try {
            await handle.writeFile(content);
            await handle.sync();
        } finally {
            await handle.close();
        }
        await rename(draft, path);
    } catch (error) {
        await rm(draft, { force: true });
        throw error;
    }
    await syncFolder(dirname(path));
}
