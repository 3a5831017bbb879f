// SPDX-License-Identifier: Apache-2.0
import type Docker from "dockerode";
import type { ContainerUsage } from "../runtime.ts";
import { engineCall } from "./docker-errors.ts";

/** What a running container uses; memory without the file cache that the kernel can drop, as the kubelet counts. */
export async function containerUsage(docker: Docker, id: string, disk: boolean): Promise<ContainerUsage> {
    return engineCall("usage", async () => {
        const container = docker.getContainer(id);
        const usage = await container.stats({ stream: false as const, "one-shot": true });
        const { stats } = usage.memory_stats;
        const inactive = stats?.total_inactive_file ?? stats?.inactive_file ?? 0;
        const processes = (usage as { pids_stats?: { current?: number } }).pids_stats?.current;
        return {
            containerId: id,
            cpuNanoseconds: usage.cpu_stats.cpu_usage.total_usage,
            memoryBytes: Math.max(0, (usage.memory_stats.usage ?? 0) - inactive),
            ...(processes === undefined ? {} : { processes }),
            ...(disk ? { diskBytes: await writtenBytes(container) } : {}),
        };
    });
}

async function writtenBytes(container: Docker.Container): Promise<number> {
    const info = (await container.inspect({ size: true } as object)) as unknown as { SizeRw?: number };
    return info.SizeRw ?? 0;
}
