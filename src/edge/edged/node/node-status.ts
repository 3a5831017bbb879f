// SPDX-License-Identifier: Apache-2.0
import type { PressureType } from "../eviction/thresholds.ts";
import { timeText } from "../pods/status.ts";
import type { Condition } from "../podspec/types.ts";
import type { ImageRecord, RuntimeInfo } from "../runtimes/runtime.ts";
import type { MachineInfo, MachineUse } from "./machine.ts";

const KUBELET_VERSION = "v1.32.10-kubeedge-v1.23.1";
const MAX_IMAGES = 50;

export interface NodeStatusInput {
    readonly nowMs: number;
    readonly nodeName: string;
    readonly info: MachineInfo;
    readonly use: MachineUse;
    readonly maxPods: number;
    /** What eviction thresholds keep back from pods. */
    readonly keptBack: { readonly memoryBytes: number; readonly diskBytes: number };
    /** What the node is short of, by condition type. */
    readonly pressures: ReadonlySet<PressureType>;
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
            memory: `${Math.max(0, Math.floor(memory - input.keptBack.memoryBytes / 1024))}Ki`,
            "ephemeral-storage": String(Math.max(0, Math.floor(use.diskTotalBytes - input.keptBack.diskBytes))),
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
    const pressure = (type: PressureType, has: string, lacks: string): Condition => {
        const state = input.pressures.has(type) ? lacks : has;
        const status = input.pressures.has(type) ? "True" : "False";
        return {
            type,
            status,
            reason: `KubeletHas${state}`,
            message: `kubelet has ${words(state)} available`.replace(/pressure available$/, "pressure"),
        };
    };
    const engineDown = engine !== undefined && !engine.ready;
    const wanted: Condition[] = [
        pressure("MemoryPressure", "SufficientMemory", "InsufficientMemory"),
        pressure("DiskPressure", "NoDiskPressure", "DiskPressure"),
        pressure("PIDPressure", "SufficientPID", "InsufficientPID"),
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
