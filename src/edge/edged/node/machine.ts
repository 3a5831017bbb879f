// SPDX-License-Identifier: Apache-2.0
import { readFile, statfs } from "node:fs/promises";
import { arch, cpus, hostname, networkInterfaces, release, totalmem } from "node:os";

/** What is read once of the machine. */
export interface MachineInfo {
    readonly hostname: string;
    /** GOARCH, as in kubernetes.io/arch. */
    readonly architecture: string;
    readonly cores: number;
    readonly memoryBytes: number;
    readonly kernelVersion: string;
    readonly osImage: string;
    readonly machineId: string;
    readonly bootId: string;
    readonly systemUuid: string;
}

/** What changes. */
export interface MachineUse {
    readonly memoryAvailableBytes: number;
    readonly diskTotalBytes: number;
    readonly diskFreeBytes: number;
    readonly inodesTotal: number;
    readonly inodesFree: number;
    readonly processes: number;
    readonly processLimit: number;
    readonly addresses: readonly string[];
}

/** A file system. */
export interface DiskUse {
    readonly totalBytes: number;
    readonly freeBytes: number;
    readonly inodesTotal: number;
    readonly inodesFree: number;
}

/** The machine as Edged reports it; handed in so that pressure can be tested. */
export interface Machine {
    info(): Promise<MachineInfo>;
    use(rootDir: string): Promise<MachineUse>;
    /** The file system that holds the path; undefined when this process sees no such path. */
    disk(path: string): Promise<DiskUse | undefined>;
    /** CPU time used by everything since boot. */
    cpuNanoseconds(): Promise<number>;
}

const GOARCH: Readonly<Record<string, string>> = { x64: "amd64", arm64: "arm64", arm: "arm", ia32: "386" };

export const thisMachine: Machine = {
    async info() {
        const osRelease = await text("/etc/os-release");
        return {
            hostname: hostname(),
            architecture: GOARCH[arch()] ?? arch(),
            cores: cpus().length,
            memoryBytes: totalmem(),
            kernelVersion: release(),
            osImage: /^PRETTY_NAME="?([^"\n]*)/m.exec(osRelease)?.[1] ?? "Linux",
            machineId: (await text("/etc/machine-id")).trim(),
            bootId: (await text("/proc/sys/kernel/random/boot_id")).trim(),
            systemUuid: (await text("/sys/class/dmi/id/product_uuid")).trim(),
        };
    },
    async use(rootDir) {
        const [memory, disk, loadavg, pidMax] = await Promise.all([
            text("/proc/meminfo"),
            statfs(rootDir),
            text("/proc/loadavg"),
            text("/proc/sys/kernel/pid_max"),
        ]);
        return {
            memoryAvailableBytes: Number(/^MemAvailable:\s+(\d+)/m.exec(memory)?.[1] ?? 0) * 1024,
            diskTotalBytes: disk.blocks * disk.bsize,
            diskFreeBytes: disk.bavail * disk.bsize,
            inodesTotal: disk.files,
            inodesFree: disk.ffree,
            processes: Number(/\/(\d+)/.exec(loadavg)?.[1] ?? 0),
            processLimit: Number(pidMax) || 32768,
            addresses: hostAddresses(),
        };
    },
    async disk(path) {
        const disk = await statfs(path).catch((thrown: NodeJS.ErrnoException) => {
            // An engine in another container or namespace names folders that are not here; root's may be closed to us.
            if (["ENOENT", "EACCES", "ENOTDIR"].includes(thrown.code ?? "")) return undefined;
            throw thrown;
        });
        return (
            disk && {
                totalBytes: disk.blocks * disk.bsize,
                freeBytes: disk.bavail * disk.bsize,
                inodesTotal: disk.files,
                inodesFree: disk.ffree,
            }
        );
    },
    async cpuNanoseconds() {
        const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = (await text("/proc/stat"))
            .split("\n", 1)
            .flatMap((line) => line.split(/\s+/).slice(1).map(Number));
        return (user + nice + system + irq + softirq) * NANOSECONDS_PER_TICK;
    },
};

const NANOSECONDS_PER_TICK = 10_000_000;

/** The machine's own addresses, IPv4 first, without loopback and container bridges; loopback when there is no other. */
export function hostAddresses(): readonly string[] {
    const all = Object.entries(networkInterfaces())
        .filter(([name]) => !/^(docker|br-|veth|cni|virbr)/.test(name))
        .flatMap(([, list]) => list ?? [])
        .filter(({ internal, address }) => !internal && !address.startsWith("fe80"))
        .sort((a, b) => (a.family < b.family ? -1 : 1))
        .map(({ address }) => address);
    const [first] = all;
    return first === undefined ? ["127.0.0.1"] : [first];
}

async function text(path: string): Promise<string> {
    return readFile(path, "utf8").catch(() => "");
}
