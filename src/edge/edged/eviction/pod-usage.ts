// SPDX-License-Identifier: Apache-2.0
import { isRedgeError } from "../../../core/errors/redge-error.ts";
import type { PodWorker } from "../pods/worker.ts";
import type { ContainerUsage } from "../runtimes/runtime.ts";
import type { VolumeManager } from "../volumes/volume-manager.ts";
import { diskUsage } from "./disk-usage.ts";
import type { LocalStorage } from "./local-storage.ts";
import { pressureOf, type Signal } from "./thresholds.ts";

/** The resource behind a signal, as events and requests name it. */
export function resourceOf(signal: Signal): "memory" | "ephemeral-storage" | "pids" {
    const pressure = pressureOf(signal);
    if (pressure === "MemoryPressure") return "memory";
    return pressure === "PIDPressure" ? "pids" : "ephemeral-storage";
}

/** What a pod uses of it: bytes, or processes; 0 where the runtime cannot tell. */
export async function podUsage(
    worker: PodWorker,
    resource: "memory" | "ephemeral-storage" | "pids",
    volumes: VolumeManager,
): Promise<number> {
    if (resource === "ephemeral-storage") {
        const { volumes: ofVolumes, containers } = await localStorage(worker, volumes);
        return sum([...ofVolumes.values(), ...containers.values()]);
    }
    const usages = await usagesOf(worker, false);
    return sum(usages.map((usage) => (resource === "memory" ? usage.memoryBytes : (usage.processes ?? 0))));
}

export async function localStorage(worker: PodWorker, volumes: VolumeManager): Promise<LocalStorage> {
    const onDisk = (worker.pod.spec.volumes ?? []).filter(
        ({ emptyDir }) => emptyDir !== undefined && emptyDir.medium !== "Memory",
    );
    const sizes = await Promise.all(
        onDisk.map(
            async ({ name }): Promise<[string, number]> => [name, await diskUsage(volumes.volumeDir(worker.uid, name))],
        ),
    );
    const usages = await usagesOf(worker, true);
    const containers = usages.map(({ containerId, diskBytes }): [string, number] => [
        worker.record?.containers.find(({ id }) => id === containerId)?.name ?? containerId,
        diskBytes ?? 0,
    ]);
    return { volumes: new Map(sizes), containers: new Map(containers) };
}

async function usagesOf(worker: PodWorker, disk: boolean): Promise<readonly ContainerUsage[]> {
    try {
        return (await worker.runtime?.stats(worker.uid, { disk })) ?? [];
    } catch (thrown) {
        // An engine that does not answer now must not keep other pods from being judged.
        if (!isRedgeError(thrown)) throw thrown;
        return [];
    }
}

function sum(numbers: readonly number[]): number {
    return numbers.reduce((total, number) => total + number, 0);
}
