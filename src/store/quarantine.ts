// SPDX-License-Identifier: Apache-2.0
import { type FileHandle, open } from "node:fs/promises";
import { dirname } from "node:path";
import { syncFolder } from "./nedb-file.ts";
import type { Extent } from "./nedb-reader.ts";

/** Where damaged parts of a store go: nobody reads it but people. */
export function quarantinePath(path: string, nowMs: number): string {
    return `${path}.damaged-${new Date(nowMs).toISOString().replaceAll(":", "-")}`;
}

/** Copies byte ranges of a file, each behind the other, into a file of their own beside it. Answers its path. */
export async function keepAside(
    path: string,
    source: FileHandle,
    extents: readonly Extent[],
    nowMs: number,
): Promise<string> {
    const kept = quarantinePath(path, nowMs);
    const target = await open(kept, "w", 0o600);
    try {
        for (const { at, length } of extents) {
            const bytes = Buffer.alloc(length);
            await source.read(bytes, 0, length, at);
            await target.write(bytes);
        }
        await target.sync();
    } finally {
        await target.close();
    }
    await syncFolder(dirname(kept));
    return kept;
}
