// SPDX-License-Identifier: Apache-2.0
import type Docker from "dockerode";
import { LABEL, podRefOf } from "../labels.ts";
import type { ContainerKind, ContainerRecord, PodRecord, RunState, SandboxRecord } from "../runtime.ts";

/** One pod from what the engine says about its containers. */
export function toPodRecord(inspected: readonly Docker.ContainerInspectInfo[]): PodRecord | undefined {
    const [first] = inspected;
    if (first === undefined) return undefined;
    const pod = podRefOf(first.Config.Labels);
    const sandbox = inspected.find(({ Config }) => Config.Labels[LABEL.kind] === "sandbox");
    const containers = inspected
        .filter((info) => info !== sandbox && info.State.Status !== "removing")
        .map(toContainer);
    return { pod, containers, ...(sandbox === undefined ? {} : { sandbox: toSandbox(sandbox) }) };
}

export function toSandbox(info: Docker.ContainerInspectInfo): SandboxRecord {
    const networks = Object.values(info.NetworkSettings.Networks ?? {});
    const ips = networks
        .flatMap(({ IPAddress, GlobalIPv6Address }) => [IPAddress, GlobalIPv6Address])
        .filter((ip) => ip);
    return { id: info.Id, ready: info.State.Running, ips, createdMs: Date.parse(info.Created) };
}

export function toContainer(info: Docker.ContainerInspectInfo): ContainerRecord {
    const labels = info.Config.Labels;
    const message = labels[LABEL.message];
    return {
        id: info.Id,
        pod: podRefOf(labels),
        name: labels[LABEL.container] ?? "",
        kind: (labels[LABEL.kind] ?? "container") as ContainerKind,
        attempt: Number(labels[LABEL.attempt] ?? 0),
        hash: labels[LABEL.hash] ?? "",
        image: labels[LABEL.image] ?? info.Config.Image,
        imageId: `docker-pullable://${labels[LABEL.image] ?? ""}@${info.Image}`,
        state: stateOf(info),
        ...(message === undefined ? {} : { terminationMessageFile: message }),
    };
}

function stateOf({ State }: Docker.ContainerInspectInfo): RunState {
    if (State.Running) return { phase: "running", startedMs: Date.parse(State.StartedAt) };
    if (State.Status === "created") return { phase: "created" };
    const { ExitCode, OOMKilled, Error: problem } = State;
    const reason = OOMKilled ? "OOMKilled" : problem ? "ContainerCannotRun" : ExitCode === 0 ? "Completed" : "Error";
    return {
        phase: "exited",
        startedMs: Date.parse(State.StartedAt),
        finishedMs: Date.parse(State.FinishedAt),
        exitCode: ExitCode,
        reason,
        ...(problem ? { message: problem } : {}),
    };
}
