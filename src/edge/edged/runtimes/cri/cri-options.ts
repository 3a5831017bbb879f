// SPDX-License-Identifier: Apache-2.0
import { parseQuantity } from "../../../../kube/quantity.ts";
import type { Container, Pod } from "../../podspec/types.ts";
import { LABEL, podLabels } from "../labels.ts";
import type { ContainerSpec, Mount, SandboxSpec } from "../runtime.ts";
import type { Message } from "./codec.ts";

/** NamespaceMode of runtime.v1. */
const MODE = { pod: 0, container: 1, node: 2, target: 3 } as const;
const PROTOCOL: Readonly<Record<string, number>> = { TCP: 0, UDP: 1, SCTP: 2 };
const PROPAGATION: Readonly<Record<string, number>> = { rprivate: 0, rslave: 1, rshared: 2 };
const SECCOMP = { runtimeDefault: 0, unconfined: 1 } as const;
const CPU_PERIOD_US = 100_000;
const DEFAULT_MESSAGE_PATH = "/dev/termination-log";

/** What an unprivileged container may not see or write below /proc and /sys, as every kubelet asks for. */
const MASKED_PATHS = [
    ...["asound", "acpi", "kcore", "keys", "latency_stats", "timer_list", "timer_stats", "sched_debug", "scsi"].map(
        (name) => `/proc/${name}`,
    ),
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
];
const READONLY_PATHS = ["bus", "fs", "irq", "sys", "sysrq-trigger"].map((name) => `/proc/${name}`);

export function sandboxConfig(spec: SandboxSpec, owner: string, logDirectory: string): Message {
    const { pod } = spec;
    const { securityContext, hostNetwork } = pod.spec;
    const ports = hostNetwork === true ? [] : pod.spec.containers.flatMap(({ ports: list }) => list ?? []);
    const privileged = pod.spec.containers.some((container) => container.securityContext?.privileged === true);
    return {
        metadata: { name: pod.metadata.name, uid: pod.metadata.uid, namespace: pod.metadata.namespace, attempt: 0 },
        ...(hostNetwork === true ? {} : { hostname: spec.hostname }),
        log_directory: logDirectory,
        ...(spec.dns === undefined ? {} : { dns_config: spec.dns }),
        port_mappings: ports
            .filter(({ hostPort }) => hostPort !== undefined)
            .map(({ containerPort, hostPort, hostIP, protocol }) => ({
                protocol: PROTOCOL[protocol ?? "TCP"] ?? 0,
                container_port: containerPort,
                host_port: hostPort,
                host_ip: hostIP ?? "",
            })),
        labels: podLabels(owner, pod.metadata, "sandbox"),
        linux: {
            security_context: {
                namespace_options: namespaces(pod),
                supplemental_groups: groups(pod),
                privileged,
                seccomp: { profile_type: privileged ? SECCOMP.unconfined : SECCOMP.runtimeDefault },
            },
            sysctls:
                hostNetwork === true
                    ? {}
                    : Object.fromEntries((securityContext?.sysctls ?? []).map(({ name, value }) => [name, value])),
        },
    };
}

export function containerConfig(spec: ContainerSpec, owner: string, extra: readonly Mount[]): Message {
    const { pod, container } = spec;
    const message = spec.terminationMessageFile;
    const messageMount: readonly Mount[] =
        message === undefined
            ? []
            : [
                  {
                      hostPath: message,
                      containerPath: container.terminationMessagePath ?? DEFAULT_MESSAGE_PATH,
                      readOnly: false,
                  },
              ];
    return {
        metadata: { name: container.name, attempt: spec.attempt },
        image: { image: spec.imageId },
        command: spec.command,
        args: spec.args,
        working_dir: container.workingDir ?? "",
        envs: spec.env.map(([key, value]) => ({ key, value: Buffer.from(value) })),
        mounts: [...spec.mounts, ...extra, ...messageMount].map(
            ({ hostPath, containerPath, readOnly, propagation }) => ({
                container_path: containerPath,
                host_path: hostPath,
                readonly: readOnly,
                propagation: PROPAGATION[propagation ?? "rprivate"] ?? 0,
            }),
        ),
        labels: {
            ...podLabels(owner, pod.metadata, spec.kind),
            [LABEL.container]: container.name,
            [LABEL.attempt]: String(spec.attempt),
            [LABEL.hash]: spec.hash,
            [LABEL.image]: spec.image,
            ...(message === undefined ? {} : { [LABEL.message]: message }),
        },
        log_path: `${container.name}.${spec.attempt}.log`,
        stdin: container.stdin === true,
        stdin_once: container.stdinOnce === true,
        tty: container.tty === true,
        linux: { resources: resources(container, spec.oomScoreAdj), security_context: security(spec) },
    };
}

function namespaces(pod: Pod, targetId?: string): Message {
    return {
        network: pod.spec.hostNetwork === true ? MODE.node : MODE.pod,
        ...processes(pod, targetId),
        ipc: pod.spec.hostIPC === true ? MODE.node : MODE.pod,
    };
}

function processes(pod: Pod, targetId: string | undefined): Message {
    if (pod.spec.hostPID === true) return { pid: MODE.node };
    if (pod.spec.shareProcessNamespace === true) return { pid: MODE.pod };
    return targetId === undefined ? { pid: MODE.container } : { pid: MODE.target, target_id: targetId };
}

function groups(pod: Pod): readonly number[] {
    const { supplementalGroups, fsGroup } = pod.spec.securityContext ?? {};
    return [...(supplementalGroups ?? []), ...(fsGroup === undefined ? [] : [fsGroup])];
}

function resources({ resources: wanted }: Container, oomScoreAdj: number): Message {
    const memory = parseQuantity(wanted?.limits?.["memory"]);
    const cpu = parseQuantity(wanted?.limits?.["cpu"]);
    const request = parseQuantity(wanted?.requests?.["cpu"]) ?? cpu ?? 0;
    return {
        cpu_shares: Math.max(2, Math.ceil(request * 1024)),
        oom_score_adj: oomScoreAdj,
        ...(memory === undefined ? {} : { memory_limit_in_bytes: memory, memory_swap_limit_in_bytes: memory }),
        ...(cpu === undefined
            ? {}
            : { cpu_period: CPU_PERIOD_US, cpu_quota: Math.max(1000, Math.ceil(cpu * CPU_PERIOD_US)) }),
    };
}

function security({ pod, container, targetId }: ContainerSpec): Message {
    const own = container.securityContext;
    const shared = pod.spec.securityContext;
    const user = own?.runAsUser ?? shared?.runAsUser;
    const group = own?.runAsGroup ?? shared?.runAsGroup;
    const privileged = own?.privileged === true;
    const unconfined = privileged || (own?.seccompProfile ?? shared?.seccompProfile)?.type === "Unconfined";
    return {
        capabilities: {
            add_capabilities: own?.capabilities?.add ?? [],
            drop_capabilities: own?.capabilities?.drop ?? [],
        },
        privileged,
        namespace_options: namespaces(pod, targetId),
        ...(user === undefined ? {} : { run_as_user: { value: user } }),
        ...(group === undefined ? {} : { run_as_user: { value: user ?? 0 }, run_as_group: { value: group } }),
        readonly_rootfs: own?.readOnlyRootFilesystem === true,
        supplemental_groups: groups(pod),
        no_new_privs: own?.allowPrivilegeEscalation === false,
        masked_paths: privileged ? [] : MASKED_PATHS,
        readonly_paths: privileged ? [] : READONLY_PATHS,
        seccomp: { profile_type: unconfined ? SECCOMP.unconfined : SECCOMP.runtimeDefault },
    };
}
