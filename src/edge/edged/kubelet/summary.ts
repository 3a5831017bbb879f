// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "../../../core/clock.ts";
import type { Machine } from "../node/machine.ts";
import type { PodWorker } from "../pods/worker.ts";

interface Sample {
    readonly atMs: number;
    readonly cpuNanoseconds: number;
    readonly rate: number;
}

interface CpuStats {
    readonly time: string;
    readonly usageNanoCores: number;
    readonly usageCoreNanoSeconds: number;
}

interface Usage {
    readonly cpu: CpuStats;
    readonly memory: {
        readonly time: string;
        readonly workingSetBytes: number;
        readonly usageBytes?: number;
        readonly availableBytes?: number;
    };
}

interface FsStats {
    readonly time: string;
    readonly availableBytes: number;
    readonly capacityBytes: number;
    readonly usedBytes: number;
}

/** As much of stats/v1alpha1 as is filled in. Times are RFC 3339. */
export interface Summary {
    readonly node: Usage & { readonly nodeName: string; readonly fs: FsStats };
    readonly pods: readonly (Usage & {
        readonly podRef: { readonly name: string; readonly namespace: string; readonly uid: string };
        readonly startTime: string;
        readonly containers: readonly (Usage & { readonly name: string; readonly startTime: string })[];
    })[];
}

/** Rates need two looks at a counter: the last one is kept. */
export class UsageRates {
    readonly #clock: Clock;
    readonly #samples = new Map<string, Sample>();

    constructor(clock: Clock) {
        this.#clock = clock;
    }

    cpu(key: string, cpuNanoseconds: number): CpuStats {
        const atMs = this.#clock.monotonicMs();
        const before = this.#samples.get(key);
        const tooSoon = before !== undefined && atMs - before.atMs < 1000;
        const seconds = before === undefined ? 0 : (atMs - before.atMs) / 1000;
        const rate =
            before === undefined ? 0 : tooSoon ? before.rate : (cpuNanoseconds - before.cpuNanoseconds) / seconds;
        if (!tooSoon) this.#samples.set(key, { atMs, cpuNanoseconds, rate });
        const time = new Date(this.#clock.nowMs()).toISOString();
        return { time, usageNanoCores: Math.max(0, Math.round(rate)), usageCoreNanoSeconds: cpuNanoseconds };
    }

    forget(alive: ReadonlySet<string>): void {
        for (const key of this.#samples.keys()) if (!alive.has(key)) this.#samples.delete(key);
    }
}

export interface SummaryInput {
    readonly nodeName: string;
    readonly rootDir: string;
    readonly machine: Machine;
    readonly clock: Clock;
    readonly rates: UsageRates;
    readonly workers: readonly PodWorker[];
}

/** The kubelet's stats/v1alpha1 Summary: node, pods, containers. */
export async function summary(input: SummaryInput): Promise<Summary> {
    const { clock, rates, machine } = input;
    const time = new Date(clock.nowMs()).toISOString();
    const [info, use, nodeCpu] = await Promise.all([
        machine.info(),
        machine.use(input.rootDir),
        machine.cpuNanoseconds(),
    ]);
    const pods = await Promise.all(input.workers.map((worker) => podStats(worker, rates, time)));
    rates.forget(new Set(["node", ...pods.flatMap(({ containers }) => containers.map(({ id }) => id))]));
    return {
        node: {
            nodeName: input.nodeName,
            cpu: rates.cpu("node", nodeCpu),
            memory: {
                time,
                availableBytes: use.memoryAvailableBytes,
                workingSetBytes: info.memoryBytes - use.memoryAvailableBytes,
                usageBytes: info.memoryBytes - use.memoryAvailableBytes,
            },
            fs: {
                time,
                availableBytes: use.diskFreeBytes,
                capacityBytes: use.diskTotalBytes,
                usedBytes: use.diskTotalBytes - use.diskFreeBytes,
            },
        },
        pods: pods.map(({ containers, ...pod }) => ({
            ...pod,
            containers: containers.map(({ id: _, ...rest }) => rest),
            cpu: {
                time,
                usageNanoCores: sum(containers.map(({ cpu }) => cpu.usageNanoCores)),
                usageCoreNanoSeconds: sum(containers.map(({ cpu }) => cpu.usageCoreNanoSeconds)),
            },
            memory: { time, workingSetBytes: sum(containers.map(({ memory }) => memory.workingSetBytes)) },
        })),
    };
}

async function podStats(worker: PodWorker, rates: UsageRates, time: string) {
    const { namespace, name, uid } = worker.pod.metadata;
    const usages = (await worker.runtime?.stats(uid)) ?? [];
    const containers = usages.flatMap(({ containerId, cpuNanoseconds, memoryBytes }) => {
        const record = worker.record?.containers.find(({ id }) => id === containerId);
        if (record === undefined) return [];
        const memory = { time, workingSetBytes: memoryBytes, usageBytes: memoryBytes };
        const startTime = record.state.phase === "running" ? new Date(record.state.startedMs).toISOString() : time;
        return [{ id: containerId, name: record.name, startTime, cpu: rates.cpu(containerId, cpuNanoseconds), memory }];
    });
    return { podRef: { name, namespace, uid }, startTime: worker.pod.status?.startTime ?? time, containers };
}

function sum(numbers: readonly number[]): number {
    return numbers.reduce((total, number) => total + number, 0);
}
