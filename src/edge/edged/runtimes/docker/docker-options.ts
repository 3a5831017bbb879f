// SPDX-License-Identifier: Apache-2.0
import type Docker from "dockerode";
import { parseQuantity } from "../../../../kube/quantity.ts";
import type { Container, Pod } from "../../podspec/types.ts";
import { containerName, LABEL, podLabels } from "../labels.ts";
import type { ContainerSpec, SandboxSpec } from "../runtime.ts";
import { PAUSE_IMAGE } from "./pause-image.ts";

const CPU_PERIOD_US = 100_000;
const LOG_CONFIG = { Type: "json-file", Config: { "max-size": "10m", "max-file": "5" } };
const DEFAULT_MESSAGE_PATH = "/dev/termination-log";

/** The container that holds a pod's network, IPC and, when shared, process namespaces. */
export function sandboxOptions(spec: SandboxSpec, owner: string): Docker.ContainerCreateOptions {
    const { pod } = spec;
    const { hostNetwork, hostIPC, hostPID, hostAliases, securityContext } = pod.spec;
    const sysctls = Object.fromEntries((securityContext?.sysctls ?? []).map(({ name, value }) => [name, value]));
    const ports = hostNetwork === true ? [] : pod.spec.containers.flatMap(({ ports: list }) => list ?? []);
    const bindings: Record<string, { HostPort: string; HostIp: string }[]> = {};
    for (const { containerPort, protocol, hostPort, hostIP } of ports) {
        if (hostPort === undefined) continue;
        const key = `${containerPort}/${(protocol ?? "TCP").toLowerCase()}`;
        bindings[key] = [...(bindings[key] ?? []), { HostPort: String(hostPort), HostIp: hostIP ?? "" }];
    }
    const dns = spec.dns;
    return {
        name: containerName(pod.metadata, "POD", 0),
        Image: PAUSE_IMAGE,
        ...(hostNetwork === true ? {} : { Hostname: spec.hostname }),
        Labels: podLabels(owner, pod.metadata, "sandbox"),
        ExposedPorts: Object.fromEntries(Object.keys(bindings).map((key) => [key, {}])),
        HostConfig: {
            NetworkMode: hostNetwork === true ? "host" : "bridge",
            IpcMode: hostIPC === true ? "host" : "shareable",
            ...(hostPID === true ? { PidMode: "host" } : {}),
            PortBindings: bindings,
            ExtraHosts: (hostAliases ?? []).flatMap(({ ip, hostnames }) =>
                (hostnames ?? []).map((name) => `${name}:${ip}`),
            ),
            ...(dns === undefined
                ? {}
                : { Dns: [...dns.servers], DnsSearch: [...dns.searches], DnsOptions: [...dns.options] }),
            ...(hostNetwork === true ? {} : { Sysctls: sysctls }),
            ...(spec.handler === "" ? {} : { Runtime: spec.handler }),
            LogConfig: { Type: "none", Config: {} },
            Memory: 0,
            CpuShares: 2,
        },
    };
}

/** One container of a pod, in the sandbox's namespaces. */
export function containerOptions(spec: ContainerSpec, sandboxId: string, owner: string): Docker.ContainerCreateOptions {
    const { pod, container } = spec;
    const inSandbox = `container:${sandboxId}`;
    const message = spec.terminationMessageFile;
    const mounts = spec.mounts.map(({ hostPath, containerPath, readOnly, propagation }) => ({
        Type: "bind" as const,
        Source: hostPath,
        Target: containerPath,
        ReadOnly: readOnly,
        ...(propagation === undefined ? {} : { BindOptions: { Propagation: propagation } }),
    }));
    if (message !== undefined) {
        const Target = container.terminationMessagePath ?? DEFAULT_MESSAGE_PATH;
        mounts.push({ Type: "bind", Source: message, Target, ReadOnly: false });
    }
    return {
        name: containerName(pod.metadata, container.name, spec.attempt),
        Image: spec.imageId,
        Labels: {
            ...podLabels(owner, pod.metadata, spec.kind),
            [LABEL.container]: container.name,
            [LABEL.attempt]: String(spec.attempt),
            [LABEL.hash]: spec.hash,
            [LABEL.image]: spec.image,
            ...(message === undefined ? {} : { [LABEL.message]: message }),
        },
        Env: spec.env.map(([name, value]) => `${name}=${value}`),
        ...(spec.command.length === 0 ? {} : { Entrypoint: [...spec.command] }),
        ...(spec.args.length === 0 && spec.command.length === 0 ? {} : { Cmd: [...spec.args] }),
        ...(container.workingDir ? { WorkingDir: container.workingDir } : {}),
        ...userOf(pod, container),
        Tty: container.tty === true,
        OpenStdin: container.stdin === true,
        StdinOnce: container.stdinOnce === true,
        HostConfig: {
            NetworkMode: pod.spec.hostNetwork === true ? "host" : inSandbox,
            IpcMode: pod.spec.hostIPC === true ? "host" : inSandbox,
            ...processes(spec, inSandbox),
            Mounts: mounts,
            LogConfig: LOG_CONFIG,
            RestartPolicy: { Name: "no" },
            OomScoreAdj: spec.oomScoreAdj,
            ...resources(container),
            ...security(pod, container),
            ...(spec.handler === "" ? {} : { Runtime: spec.handler }),
        },
    };
}

function processes({ pod, targetId }: ContainerSpec, inSandbox: string): { PidMode?: string } {
    if (pod.spec.hostPID === true) return { PidMode: "host" };
    if (pod.spec.shareProcessNamespace === true) return { PidMode: inSandbox };
    return targetId === undefined ? {} : { PidMode: `container:${targetId}` };
}

function userOf(pod: Pod, { securityContext }: Container): { User?: string } {
    const user = securityContext?.runAsUser ?? pod.spec.securityContext?.runAsUser;
    const group = securityContext?.runAsGroup ?? pod.spec.securityContext?.runAsGroup;
    if (user === undefined) return group === undefined ? {} : { User: `0:${group}` };
    return { User: group === undefined ? String(user) : `${user}:${group}` };
}

function resources({ resources: wanted }: Container): Docker.HostConfig {
    const memory = parseQuantity(wanted?.limits?.["memory"]);
    const cpuLimit = parseQuantity(wanted?.limits?.["cpu"]);
    const cpuRequest = parseQuantity(wanted?.requests?.["cpu"]) ?? cpuLimit ?? 0;
    return {
        ...(memory === undefined ? {} : { Memory: Math.ceil(memory), MemorySwap: Math.ceil(memory) }),
        ...(cpuLimit === undefined
            ? {}
            : { CpuPeriod: CPU_PERIOD_US, CpuQuota: Math.max(1000, Math.ceil(cpuLimit * CPU_PERIOD_US)) }),
        CpuShares: Math.max(2, Math.ceil(cpuRequest * 1024)),
    };
}

function security(pod: Pod, { securityContext }: Container): Docker.HostConfig {
    const podContext = pod.spec.securityContext;
    const groups = [
        ...(podContext?.supplementalGroups ?? []),
        ...(podContext?.fsGroup === undefined ? [] : [podContext.fsGroup]),
    ];
    const seccomp = (securityContext?.seccompProfile ?? podContext?.seccompProfile)?.type;
    const options = [
        ...(securityContext?.allowPrivilegeEscalation === false ? ["no-new-privileges"] : []),
        ...(seccomp === "Unconfined" ? ["seccomp=unconfined"] : []),
    ];
    return {
        ...(groups.length === 0 ? {} : { GroupAdd: groups.map(String) }),
        ...(securityContext?.readOnlyRootFilesystem === true ? { ReadonlyRootfs: true } : {}),
        ...(securityContext?.privileged === true ? { Privileged: true } : {}),
        CapAdd: [...(securityContext?.capabilities?.add ?? [])],
        CapDrop: [...(securityContext?.capabilities?.drop ?? [])],
        SecurityOpt: options,
    };
}
