// SPDX-License-Identifier: Apache-2.0
import { parseQuantity } from "../../kube/quantity.ts";
import { nodeAllocatable } from "./node/allocatable.ts";
import type { NodeStatus } from "./node/node-status.ts";
import { refusedFields } from "./podspec/check.ts";
import { refusedSysctl } from "./podspec/sysctls.ts";
import type { Pod } from "./podspec/types.ts";
import { isFlowClass } from "./runtimes/flow/flow-class.ts";

export interface Refusal {
    readonly reason: string;
    readonly message: string;
}

/** Whether this node takes the pod: fields it cannot honour, node selector, resources, host ports, number of pods. */
export function admitPod(
    pod: Pod,
    labels: Readonly<Record<string, string>>,
    status: NodeStatus | undefined,
    others: readonly { readonly pod: Pod }[],
): Refusal | undefined {
    const { runtimeClassName } = pod.spec;
    const isolated = runtimeClassName === "node-red-isolated";
    const refused = refusedFields(pod, isolated ? "isolated" : isFlowClass(runtimeClassName) ? "flow" : "container");
    const [first] = refused;
    if (first !== undefined) {
        const list = refused.map(({ path, why }) => `${path}: ${why}`).join("; ");
        return { reason: "UnsupportedField", message: `Pod cannot run on this node: ${list}` };
    }
    const sysctl = refusedSysctl(pod);
    if (sysctl !== undefined) return { reason: "SysctlForbidden", message: `Pod cannot run on this node: ${sysctl}` };
    const selector = (pod.spec["nodeSelector"] ?? {}) as Record<string, string>;
    const missing = Object.entries(selector).find(([key, value]) => labels[key] !== value);
    if (missing !== undefined) {
        return {
            reason: "NodeAffinity",
            message: `Predicate NodeAffinity failed: the node lacks ${missing.join("=")}`,
        };
    }
    const active = others
        .map((other) => other.pod)
        .filter(
            ({ metadata, status: is }) =>
                metadata.uid !== pod.metadata.uid && !["Succeeded", "Failed"].includes(is?.phase ?? ""),
        );
    return lacking(pod, active, nodeAllocatable(status)) ?? portTaken(pod, active);
}

function lacking(pod: Pod, active: readonly Pod[], allocatable: Readonly<Record<string, number>>): Refusal | undefined {
    if (allocatable["pods"] !== undefined && active.length + 1 > allocatable["pods"]) {
        return {
            reason: "OutOfpods",
            message: `Node didn't have enough resource: pods, capacity: ${allocatable["pods"]}`,
        };
    }
    for (const name of ["cpu", "memory"]) {
        const capacity = allocatable[name];
        const wanted = requested(pod, name);
        if (capacity === undefined || wanted === 0) continue;
        const used = active.reduce((sum, other) => sum + requested(other, name), 0);
        if (used + wanted > capacity) {
            const message = `Node didn't have enough resource: ${name}, requested: ${wanted}, used: ${used}, capacity: ${capacity}`;
            return { reason: `OutOf${name}`, message };
        }
    }
    return undefined;
}

function requested(pod: Pod, name: string): number {
    return pod.spec.containers.reduce((sum, { resources }) => {
        return sum + (parseQuantity(resources?.requests?.[name] ?? resources?.limits?.[name]) ?? 0);
    }, 0);
}

function portTaken(pod: Pod, active: readonly Pod[]): Refusal | undefined {
    const taken = new Set(active.flatMap(hostPorts));
    const clash = hostPorts(pod).find((port) => taken.has(port));
    if (clash === undefined) return undefined;
    return { reason: "NodePorts", message: `Predicate NodePorts failed: host port ${clash} is taken` };
}

function hostPorts(pod: Pod): readonly string[] {
    return pod.spec.containers.flatMap(({ ports }) =>
        (ports ?? []).flatMap(({ hostPort, protocol, containerPort }) => {
            const port = hostPort ?? (pod.spec.hostNetwork === true ? containerPort : undefined);
            return port === undefined ? [] : [`${port}/${protocol ?? "TCP"}`];
        }),
    );
}
