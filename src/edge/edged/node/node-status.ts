// SPDX-License-Identifier: Apache-2.0

import { timeText } from "../pods/status.ts";
import type { Condition } from "../podspec/types.ts";
import type { ImageRecord, RuntimeInfo } from "../runtimes/runtime.ts";
import type { MachineInfo, MachineUse } from "./machine.ts";

/** Kubelet's hard eviction limits. */
export const PRESSURE = { memoryBytes: 100 * 2 ** 20, diskFreeShare: 0.1, inodesFreeShare: 0.05, pidsFreeShare: 0.01 };
const KUBELET_VERSION = "v1.32.10-kubeedge-v1.23.1";
const MAX_IMAGES = 50;

export interface NodeStatusInput {
    readonly nowMs: number;
    readonly nodeName: string;
    readonly info: MachineInfo;
    readonly use: MachineUse;
    readonly maxPods: number;
    readonly runtimes: readonly RuntimeInfo[];
    readonly images: readonly ImageRecord[];
    /** Conditions as reported before, for their transition times. */
    readonly before: readonly Condition[];
}

export interface NodeStatus {
    readonly capacity: Readonly<Record<string, string>>;
    readonly allocatable: Readonly<Record<string, string>>;
    readonly conditions: readonly Condition[];
    readonly addresses: readonly { type: string; address: string }[];
    readonly nodeInfo: Readonly<Record<string, string>>;
    readonly images: readonly { names: readonly string[]; sizeBytes: number }[];
    readonly daemonEndpoints: { readonly kubeletEndpoint: { readonly Port: number } };
    readonly runtimeHandlers?: readonly { name: string }[];
}

/** The node's status from what is measured. A node without a container engine is Ready: flows always run. */
export function nodeStatus(input: NodeStatusInput): NodeStatus {
    const { info, use } = input;
    const memory = Math.floor(info.memoryBytes / 1024);
    const capacity = {
        cpu: String(info.cores),
        memory: `${memory}Ki`,
        "ephemeral-storage": `${Math.floor(use.diskTotalBytes / 1024)}Ki`,
        pods: String(input.maxPods),
        "hugepages-1Gi": "0",
        "hugepages-2Mi": "0",
    };
    const engine = input.runtimes.find(({ version }) => !version.startsWith("flow:"));
    const version = (engine?.ready === true ? engine : input.runtimes[0])?.version ?? "flow://0";
    const handlers = [...new Set(input.runtimes.flatMap((runtime) => (runtime.ready ? runtime.handlers : [])))];
    return {
        capacity,
        allocatable: {
            ...capacity,
            memory: `${memory - PRESSURE.memoryBytes / 1024}Ki`,
            "ephemeral-storage": String(Math.floor(use.diskTotalBytes * (1 - PRESSURE.diskFreeShare))),
        },
        conditions: conditions(input, engine),
        addresses: [
            ...use.addresses.map((address) => ({ type: "InternalIP", address })),
            { type: "Hostname", address: input.nodeName },
        ],
        nodeInfo: {
            machineID: info.machineId,
            systemUUID: info.systemUuid,
            bootID: info.bootId,
            kernelVersion: info.kernelVersion,
            osImage: info.osImage,
            containerRuntimeVersion: version,
            kubeletVersion: KUBELET_VERSION,
            kubeProxyVersion: "",
            operatingSystem: "linux",
            architecture: info.architecture,
        },
        images: [...input.images]
            .sort((a, b) => b.sizeBytes - a.sizeBytes)
            .slice(0, MAX_IMAGES)
            .map(({ names, sizeBytes }) => ({ names, sizeBytes })),
        daemonEndpoints: { kubeletEndpoint: { Port: 10350 } },
        ...(handlers.length === 0 ? {} : { runtimeHandlers: handlers.map((name) => ({ name })) }),
    };
}

function conditions(input: NodeStatusInput, engine: RuntimeInfo | undefined): Condition[] {
    const { use } = input;
    const low = {
        memory: use.memoryAvailableBytes < PRESSURE.memoryBytes,
        disk:
            use.diskFreeBytes < use.diskTotalBytes * PRESSURE.diskFreeShare ||
            (use.inodesTotal > 0 && use.inodesFree < use.inodesTotal * PRESSURE.inodesFreeShare),
        pid: use.processes > use.processLimit * (1 - PRESSURE.pidsFreeShare),
    };
    const pressure = (type: string, is: boolean, has: string, lacks: string): Condition => ({
        type,
        status: is ? "True" : "False",
        reason: is ? `KubeletHas${lacks}` : `KubeletHas${has}`,
        message: is ? `kubelet has ${words(lacks)}` : `kubelet has ${words(has)}`,
    });
    const engineDown = engine !== undefined && !engine.ready;
    const wanted: Condition[] = [
        pressure("MemoryPressure", low.memory, "SufficientMemory", "InsufficientMemory"),
        pressure("DiskPressure", low.disk, "NoDiskPressure", "DiskPressure"),
        pressure("PIDPressure", low.pid, "SufficientPID", "InsufficientPID"),
        {
            type: "Ready",
            status: "True",
            reason: "KubeletReady",
            message: engineDown
                ? `kubelet is posting ready status; flows run, containers do not: ${engine.reason ?? "no container engine"}`
                : "kubelet is posting ready status",
        },
    ];
    return wanted.map((condition) => {
        const before = input.before.find(({ type }) => type === condition.type);
        const since = before?.status === condition.status ? before.lastTransitionTime : undefined;
        const now = timeText(input.nowMs);
        return { ...condition, lastHeartbeatTime: now, lastTransitionTime: since ?? now };
    });
}

function words(camel: string): string {
    return camel.replace(/([a-z])([A-Z])/g, "$1 $2").toLowerCase();
}
