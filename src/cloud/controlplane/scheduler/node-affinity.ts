// SPDX-License-Identifier: Apache-2.0
import type { Node, RuntimeClass } from "../objects/node.ts";
import type { NodeSelectorTerm, Pod, SelectorRequirement } from "../objects/pod.ts";

/** The node selector and the required node affinity of a pod. */
export function matchesNode(pod: Pod, node: Node): boolean {
    const labels = node.metadata.labels ?? {};
    const wanted = Object.entries(pod.spec.nodeSelector ?? {});
    if (!wanted.every(([key, value]) => labels[key] === value)) return false;
    const required = pod.spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
    return required === undefined || required.nodeSelectorTerms.some((term) => matchesTerm(term, node));
}

/** True when all requirements hold; a term without any matches nothing. */
export function matchesTerm(term: NodeSelectorTerm, node: Node): boolean {
    const { matchExpressions = [], matchFields = [] } = term;
    if (matchExpressions.length + matchFields.length === 0) return false;
    const labels = node.metadata.labels ?? {};
    return (
        matchExpressions.every((requirement) => holds(requirement, labels[requirement.key])) &&
        matchFields.every(
            (requirement) => requirement.key === "metadata.name" && holds(requirement, node.metadata.name),
        )
    );
}

function holds({ operator, values = [] }: SelectorRequirement, value: string | undefined): boolean {
    switch (operator) {
        case "In":
            return value !== undefined && values.includes(value);
        case "NotIn":
            return value === undefined || !values.includes(value);
        case "Exists":
            return value !== undefined;
        case "DoesNotExist":
            return value === undefined;
        case "Gt":
            return value !== undefined && Number(value) > Number(values[0]);
        case "Lt":
            return value !== undefined && Number(value) < Number(values[0]);
        default:
            return false;
    }
}

/** The scheduling half of a RuntimeClass joins the pod's own (KEP-585); harmless where admission did it already. */
export function withRuntimeClass(pod: Pod, runtimeClass: RuntimeClass | undefined): Pod {
    const { nodeSelector, tolerations } = runtimeClass?.scheduling ?? {};
    if (nodeSelector === undefined && tolerations === undefined) return pod;
    return {
        ...pod,
        spec: {
            ...pod.spec,
            nodeSelector: { ...pod.spec.nodeSelector, ...nodeSelector },
            tolerations: [...(pod.spec.tolerations ?? []), ...(tolerations ?? [])],
        },
    };
}
