// SPDX-License-Identifier: Apache-2.0
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";

/** What containers and volumes that were killed rather than stopped left mounted below a folder. */
export function unmountBelow(root: string): void {
    const mounts = readFileSync("/proc/self/mounts", "utf8").split("\n");
    const below = mounts.map((line) => line.split(" ")[1] ?? "").filter((path) => path.startsWith(`${root}/`));
    for (const path of below.sort().reverse()) spawnSync("umount", ["-l", path]);
}
