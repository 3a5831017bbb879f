// SPDX-License-Identifier: Apache-2.0
import type { Node, RuntimeClass } from "../../objects/node.ts";
import type { Affinity, NodeSelectorTerm, Pod, PodTemplate, Toleration } from "../../objects/pod.ts";
import type { DaemonSet } from "../../objects/workloads.ts";
import { matchesNode, withRuntimeClass } from "../../scheduler/node-affinity.ts";
import { untolerated } from "../../scheduler/taints.ts";

/** What every daemon pod tolerates: it belongs to its node in good days and bad (kubernetes.io, "DaemonSet"). */
const DAEMON_TOLERATIONS: readonly Toleration[] = [
    { key: "node.kubernetes.io/not-ready", operator: "Exists", effect: "NoExecute" },
    { key: "node.kubernetes.io/unreachable", operator: "Exists", effect: "NoExecute" },
    { key: "node.kubernetes.io/disk-pressure", operator: "Exists", effect: "NoSchedule" },
    { key: "node.kubernetes.io/memory-pressure", operator: "Exists", effect: "NoSchedule" },
    { key: "node.kubernetes.io/pid-pressure", operator: "Exists", effect: "NoSchedule" },
    { key: "node.kubernetes.io/unschedulable", operator: "Exists", effect: "NoSchedule" },
];
const NETWORK_TOLERATION: Toleration = {
    key: "node.kubernetes.io/network-unavailable",
    operator: "Exists",
    effect: "NoSchedule",
};

/**
 * Whether a node should get a daemon pod, and whether one that is there may stay. `runtimeClass` is that of its pods: the nodes it
 * rules out get none, where kube-controller-manager makes pods that wait for ever.
 */
export function daemonFits(
    daemonSet: DaemonSet,
    node: Node,
    runtimeClass: RuntimeClass | undefined,
): { readonly run: boolean; readonly stay: boolean } {
    const template: Pod = { apiVersion: "v1", kind: "Pod", metadata: { name: "" }, spec: daemonSet.spec.template.spec };
    const pod = withRuntimeClass(template, runtimeClass);
    const { spec } = pod;
    const named = !spec.nodeName || spec.nodeName === node.metadata.name;
    if (!named || !matchesNode(pod, node)) return { run: false, stay: false };
    const tolerations = daemonTolerations(spec);
    const taints = node.spec?.taints ?? [];
    const run = untolerated(taints, tolerations, ["NoSchedule", "NoExecute"]) === undefined;
    return { run, stay: run || untolerated(taints, tolerations, ["NoExecute"]) === undefined };
}

/** The template for the pod of one node: bound to it by affinity, so that the scheduler still checks its room. */
export function templateFor(template: PodTemplate, nodeName: string, labels: Record<string, string>): PodTemplate {
    const { spec, metadata } = template;
    return {
        metadata: { ...metadata, labels: { ...metadata?.labels, ...labels } },
        spec: { ...spec, affinity: pinned(spec.affinity, nodeName), tolerations: daemonTolerations(spec) },
    };
}

/** The node a daemon pod is for, before and after it was scheduled. */
export function nodeOf(pod: Pod): string | undefined {
    if (pod.spec.nodeName) return pod.spec.nodeName;
    const required = pod.spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
    for (const { matchFields } of required?.nodeSelectorTerms ?? []) {
        const field = matchFields?.find(({ key, operator }) => key === "metadata.name" && operator === "In");
        if (field?.values?.length === 1) return field.values[0];
    }
    return undefined;
}

function pinned(affinity: Affinity | undefined, nodeName: string): Affinity {
    const matchFields = [{ key: "metadata.name", operator: "In", values: [nodeName] }];
    const required = affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
    const terms: NodeSelectorTerm[] = (required?.nodeSelectorTerms ?? [{}]).map((term) => ({ ...term, matchFields }));
    return {
        ...affinity,
        nodeAffinity: {
            ...affinity?.nodeAffinity,
            requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: terms },
        },
    };
}

function daemonTolerations({ tolerations = [], hostNetwork }: Pod["spec"]): Toleration[] {
    const standard = hostNetwork ? [...DAEMON_TOLERATIONS, NETWORK_TOLERATION] : DAEMON_TOLERATIONS;
    const missing = standard.filter(
        ({ key, effect }) => !tolerations.some((own) => own.key === key && own.effect === effect && !own.value),
    );
    return [...tolerations, ...missing];
}
