// SPDX-License-Identifier: Apache-2.0
import { milli } from "../../../kube/quantity.ts";
import type { Node } from "../objects/node.ts";
import type { Container, ContainerPort, Pod, Resources } from "../objects/pod.ts";

/** Thousandths by resource name. */
export type Amounts = ReadonlyMap<string, number>;

/**
 * What a pod asks for: the sum of its containers and sidecars, or its largest init container where that is more, and
 * the RuntimeClass overhead (kubernetes.io, "Resource Management for Pods and Containers").
 */
export function requestsOf(pod: Pod): Amounts {
    const running = new Map<string, number>();
    for (const container of pod.spec.containers) add(running, requests(container));
    const starting = new Map<string, number>();
    for (const container of pod.spec.initContainers ?? []) {
        const sidecar = container.restartPolicy === "Always";
        if (sidecar) add(running, requests(container));
        const now = new Map(sidecar ? [] : amounts(requests(container)));
        for (const [name, amount] of now) starting.set(name, Math.max(starting.get(name) ?? 0, amount));
    }
    for (const [name, amount] of starting) running.set(name, Math.max(running.get(name) ?? 0, amount));
    add(running, pod.spec.overhead);
    return running;
}

/** Names of what a node lacks for a pod, beside the pods that are there. */
export function lacking(node: Node, present: readonly Pod[], pod: Pod): string[] {
    const allocatable = node.status?.allocatable ?? node.status?.capacity ?? {};
    const used = new Map<string, number>();
    for (const other of present) for (const [name, amount] of requestsOf(other)) sum(used, name, amount);
    const reasons: string[] = [];
    // A node that says nothing about pods sets no limit to them.
    if (allocatable["pods"] !== undefined && milli(allocatable["pods"]) < (present.length + 1) * 1000) {
        reasons.push("Too many pods");
    }
    for (const [name, amount] of requestsOf(pod)) {
        if (amount > 0 && milli(allocatable[name]) - (used.get(name) ?? 0) < amount)
            reasons.push(`Insufficient ${name}`);
    }
    return reasons;
}

/** How full a node would be with the pod, 0 to 1, over CPU and memory. */
export function fullness(node: Node, present: readonly Pod[], pod: Pod): number {
    const allocatable = node.status?.allocatable ?? {};
    const shares = ["cpu", "memory"].flatMap((name) => {
        const total = milli(allocatable[name]);
        if (total === 0) return [];
        const used = [...present, pod].reduce((all, other) => all + (requestsOf(other).get(name) ?? 0), 0);
        return [Math.min(1, used / total)];
    });
    return shares.length === 0 ? 0 : shares.reduce((all, share) => all + share, 0) / shares.length;
}

/** True when a host port that the pod needs is taken on the node. */
export function portsTaken(present: readonly Pod[], pod: Pod): boolean {
    const wanted = hostPorts(pod);
    if (wanted.length === 0) return false;
    return present.flatMap(hostPorts).some((taken) => wanted.some((port) => clash(port, taken)));
}

function clash(one: ContainerPort, other: ContainerPort): boolean {
    const anywhere = (ip: string | undefined): boolean => ip === undefined || ip === "" || ip === "0.0.0.0";
    const sameAddress = anywhere(one.hostIP) || anywhere(other.hostIP) || one.hostIP === other.hostIP;
    return sameAddress && one.hostPort === other.hostPort && (one.protocol ?? "TCP") === (other.protocol ?? "TCP");
}

function hostPorts(pod: Pod): ContainerPort[] {
    return pod.spec.containers.flatMap(({ ports }) => ports ?? []).filter(({ hostPort }) => (hostPort ?? 0) > 0);
}

/** A limit without a request is a request too. */
function requests({ resources }: Container): Resources {
    return { ...resources?.limits, ...resources?.requests };
}

function amounts(resources: Resources | undefined): [string, number][] {
    return Object.entries(resources ?? {}).map(([name, quantity]) => [name, milli(quantity)]);
}

function add(total: Map<string, number>, resources: Resources | undefined): void {
    for (const [name, amount] of amounts(resources)) sum(total, name, amount);
}

function sum(total: Map<string, number>, name: string, amount: number): void {
    total.set(name, (total.get(name) ?? 0) + amount);
}
