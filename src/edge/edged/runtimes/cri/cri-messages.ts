// SPDX-License-Identifier: Apache-2.0
import { LABEL, podRefOf } from "../labels.ts";
import type {
    ContainerKind,
    ContainerRecord,
    ContainerUsage,
    ImageRecord,
    RunState,
    SandboxRecord,
} from "../runtime.ts";
import type { Message } from "./codec.ts";

/** ContainerState of runtime.v1. */
const STATE = { created: 0, running: 1, exited: 2, unknown: 3 } as const;
export const RUNNING = STATE.running;
const READY = 0;
const NANOSECONDS = 1e6;

export interface CriSandbox {
    readonly id: string;
    readonly state: number;
    readonly created_at: number;
    readonly labels: Readonly<Record<string, string>>;
}

export interface CriContainer {
    readonly id: string;
    readonly pod_sandbox_id: string;
    readonly state: number;
    readonly image_ref: string;
    readonly labels: Readonly<Record<string, string>>;
}

interface CriStatus extends CriContainer {
    readonly started_at: number;
    readonly finished_at: number;
    readonly exit_code: number;
    readonly reason: string;
    readonly message: string;
}

export function isReady({ state }: CriSandbox): boolean {
    return state === READY;
}

export function toSandbox(sandbox: CriSandbox, status: Message | undefined): SandboxRecord {
    const network = status?.["network"] as { ip?: string; additional_ips?: readonly { ip: string }[] } | undefined;
    const ips = [network?.ip ?? "", ...(network?.additional_ips ?? []).map(({ ip }) => ip)].filter((ip) => ip !== "");
    return { id: sandbox.id, ready: isReady(sandbox), ips, createdMs: sandbox.created_at / NANOSECONDS };
}

export function toContainer(message: Message): ContainerRecord {
    const status = message as unknown as CriStatus;
    const { labels } = status;
    const file = labels[LABEL.message];
    return {
        id: status.id,
        pod: podRefOf(labels),
        name: labels[LABEL.container] ?? "",
        kind: (labels[LABEL.kind] ?? "container") as ContainerKind,
        attempt: Number(labels[LABEL.attempt] ?? 0),
        hash: labels[LABEL.hash] ?? "",
        image: labels[LABEL.image] ?? "",
        imageId: status.image_ref,
        state: stateOf(status),
        ...(file === undefined ? {} : { terminationMessageFile: file }),
    };
}

function stateOf(status: CriStatus): RunState {
    const startedMs = status.started_at / NANOSECONDS;
    if (status.state === STATE.created) return { phase: "created" };
    if (status.state === STATE.running) return { phase: "running", startedMs };
    const reason = status.reason || (status.exit_code === 0 ? "Completed" : "Error");
    return {
        phase: "exited",
        startedMs,
        finishedMs: status.finished_at / NANOSECONDS,
        exitCode: status.exit_code,
        reason,
        ...(status.message === "" ? {} : { message: status.message }),
    };
}

/** containerd before 1.7.21 tells its handlers only in the configuration it reports. */
export function configuredHandlers(status: Message): readonly string[] {
    const text = (status["info"] as Record<string, string>)["config"];
    if (text === undefined) return [];
    const config = JSON.parse(text) as { containerd?: { runtimes?: Record<string, unknown> } };
    return Object.keys(config.containerd?.runtimes ?? {});
}

/** The image of sandboxes, which the engine needs, in its own configuration (before it pins it: containerd 1.6). */
export function sandboxImage(status: Message): string | undefined {
    const text = (status["info"] as Record<string, string>)["config"];
    return text === undefined ? undefined : (JSON.parse(text) as { sandboxImage?: string }).sandboxImage;
}

export function toImages(answer: Message, inUse: ReadonlySet<string>): readonly ImageRecord[] {
    type Image = { id: string; repo_tags: string[]; repo_digests: string[]; size: number; pinned: boolean };
    return (answer["images"] as readonly Image[]).map(({ id, repo_tags, repo_digests, size, pinned }) => {
        const names = [...repo_digests, ...repo_tags];
        return { id, names, sizeBytes: size, inUse: pinned || [id, ...names].some((name) => inUse.has(name)) };
    });
}

export function toUsages(answer: Message): readonly ContainerUsage[] {
    type Stats = {
        attributes?: { id: string };
        cpu?: { usage_core_nano_seconds?: { value: number } };
        memory?: { working_set_bytes?: { value: number } };
        writable_layer?: { used_bytes?: { value: number } };
    };
    return (answer["stats"] as readonly Stats[]).map(({ attributes, cpu, memory, writable_layer }) => ({
        containerId: attributes?.id ?? "",
        cpuNanoseconds: cpu?.usage_core_nano_seconds?.value ?? 0,
        memoryBytes: memory?.working_set_bytes?.value ?? 0,
        diskBytes: writable_layer?.used_bytes?.value ?? 0,
    }));
}
