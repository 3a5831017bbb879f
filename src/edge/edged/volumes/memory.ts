// SPDX-License-Identifier: Apache-2.0
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { parseQuantity } from "../../../kube/quantity.ts";

const run = promisify(execFile);

/** A file system in memory at `dir`, for emptyDir with medium Memory. Needs the right to mount. */
export async function mountMemory(dir: string, sizeLimit: string | undefined): Promise<void> {
    const bytes = parseQuantity(sizeLimit);
    const size = bytes === undefined || bytes === 0 ? [] : [`size=${Math.ceil(bytes)}`];
    await run("mount", ["-t", "tmpfs", "-o", ["rw", ...size].join(","), "tmpfs", dir]);
}

/** Unmounts what is mounted below `dir`, deepest first. */
export async function unmountAll(dir: string): Promise<void> {
    const mounts = await readFile("/proc/self/mounts", "utf8").catch(() => "");
    const below = mounts
        .split("\n")
        .map((line) => line.split(" ")[1] ?? "")
        .filter((path) => path.startsWith(`${dir}/`))
        .sort((a, b) => b.length - a.length);
    for (const path of below) await run("umount", [path]);
}
