// SPDX-License-Identifier: Apache-2.0
import { rename, rm, stat } from "node:fs/promises";

/** Kubelet's containerLogMaxSize. One older part is kept beside the file that is written. */
export const LOG_MAX_BYTES = 10 * 2 ** 20;

/**
 * Puts a log that has grown too long aside and makes the engine begin a new file: CRI engines write without end and leave
 * the rotation to the node. True when it was rotated.
 */
export async function rotateLog(path: string, maxBytes: number, reopen: () => Promise<void>): Promise<boolean> {
    const found = await stat(path).catch((thrown: NodeJS.ErrnoException) => {
        if (thrown.code === "ENOENT") return undefined;
        throw thrown;
    });
    if (found === undefined || found.size <= maxBytes) return false;
    await rename(path, `${path}.1`);
    try {
        await reopen();
    } catch (thrown) {
        // The engine still writes to what was put aside: it must not be lost from sight.
        await rename(`${path}.1`, path);
        throw thrown;
    }
    return true;
}

export async function removeLog(path: string): Promise<void> {
    await rm(path, { force: true });
    await rm(`${path}.1`, { force: true });
}
