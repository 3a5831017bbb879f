// SPDX-License-Identifier: Apache-2.0
import type { DiskUse, Machine, MachineUse } from "../../../src/edge/edged/node/machine.ts";
import { thisMachine } from "../../../src/edge/edged/node/machine.ts";

const GIB = 2 ** 30;

/** This machine, but with readings of the test's choice; everything is plenty until it says otherwise. */
export class FakeMachine implements Machine {
    memoryAvailableBytes = 4 * GIB;
    diskFreeBytes = 50 * GIB;
    processes = 100;
    /** The file system of images, free of 100 GiB. */
    imagesFreeBytes = 50 * GIB;

    async info() {
        return { ...(await thisMachine.info()), memoryBytes: 8 * GIB };
    }

    async use(rootDir: string): Promise<MachineUse> {
        return {
            ...(await thisMachine.use(rootDir)),
            memoryAvailableBytes: this.memoryAvailableBytes,
            diskTotalBytes: 100 * GIB,
            diskFreeBytes: this.diskFreeBytes,
            inodesTotal: 1000,
            inodesFree: 500,
            processes: this.processes,
            processLimit: 1000,
        };
    }

    async disk(): Promise<DiskUse> {
        return { totalBytes: 100 * GIB, freeBytes: this.imagesFreeBytes, inodesTotal: 1000, inodesFree: 500 };
    }

    cpuNanoseconds(): Promise<number> {
        return thisMachine.cpuNanoseconds();
    }
}
