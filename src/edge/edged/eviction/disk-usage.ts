// SPDX-License-Identifier: Apache-2.0
import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";

/** Bytes that a folder takes on its own file system; mounts below it and what vanishes meanwhile count nothing. */
export async function diskUsage(path: string, device?: number): Promise<number> {
    const found = await lstat(path).catch(goneIsUndefined);
    if (found === undefined || (device !== undefined && found.dev !== device)) return 0;
    const own = found.blocks * 512;
    if (!found.isDirectory()) return own;
    let sum = own;
    for (const name of (await readdir(path).catch(goneIsUndefined)) ?? []) {
        sum += await diskUsage(join(path, name), device ?? found.dev);
    }
    return sum;
}

function goneIsUndefined(thrown: NodeJS.ErrnoException): undefined {
    if (thrown.code === "ENOENT" || thrown.code === "ENOTDIR") return undefined;
    throw thrown;
}
