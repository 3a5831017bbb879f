// SPDX-License-Identifier: Apache-2.0
import { isRedgeError } from "../../../core/errors/redge-error.ts";
import type { DiskUse, Machine, MachineInfo, MachineUse } from "../node/machine.ts";
import type { PodRuntime } from "../runtimes/runtime.ts";
import type { Readings } from "./thresholds.ts";

/** The machine's state by signal; no `images` where no engine keeps any. */
export function readingsOf(info: MachineInfo, use: MachineUse, images: DiskUse | undefined): Readings {
    return {
        "memory.available": { available: use.memoryAvailableBytes, capacity: info.memoryBytes },
        "nodefs.available": { available: use.diskFreeBytes, capacity: use.diskTotalBytes },
        ...inodes("nodefs", use.inodesFree, use.inodesTotal),
        ...(images === undefined
            ? {}
            : {
                  "imagefs.available": { available: images.freeBytes, capacity: images.totalBytes },
                  ...inodes("imagefs", images.inodesFree, images.inodesTotal),
              }),
        "pid.available": { available: use.processLimit - use.processes, capacity: use.processLimit },
    };
}

/** Some file systems (btrfs) count no inodes. */
function inodes(fs: "nodefs" | "imagefs", available: number, capacity: number): Readings {
    return capacity === 0 ? {} : { [`${fs}.inodesFree`]: { available, capacity } };
}

/** The fullest file system that holds images of an engine; undefined without one that is seen from here. */
export async function imageDisk(machine: Machine, runtimes: readonly PodRuntime[]): Promise<DiskUse | undefined> {
    const dirs = await Promise.all(
        runtimes.map((runtime) =>
            runtime.imageDir().catch((thrown: unknown) => {
                // Memory is judged all the same while an engine is away.
                if (!isRedgeError(thrown)) throw thrown;
                return undefined;
            }),
        ),
    );
    const disks = await Promise.all(dirs.map((dir) => (dir === undefined ? undefined : machine.disk(dir))));
    return disks
        .filter((disk) => disk !== undefined)
        .sort((a, b) => a.freeBytes / a.totalBytes - b.freeBytes / b.totalBytes)[0];
}
