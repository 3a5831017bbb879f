// SPDX-License-Identifier: Apache-2.0
import type { Node, RuntimeClass } from "../objects/node.ts";
import type { Pod } from "../objects/pod.ts";
import { matchesNode, matchesTerm, withRuntimeClass } from "./node-affinity.ts";
import { fullness, lacking, portsTaken } from "./resources.ts";
import { STOPS_SCHEDULING, tolerates, untolerated } from "./taints.ts";
import { type Placement, TopologyRules } from "./topology.ts";

export type Choice = { readonly node: Node } | { readonly message: string };

const UNSCHEDULABLE = { key: "node.kubernetes.io/unschedulable", effect: "NoSchedule" };

/** Finds the best node for a pod, or says in Kubernetes' words why there is none. */
export function chooseNode(pod: Pod, placement: Placement, runtimeClass: RuntimeClass | undefined): Choice {
    const { nodes } = placement;
    if (nodes.length === 0) return { message: "no nodes available to schedule pods" };
    const effective = withRuntimeClass(pod, runtimeClass);
    const rules = new TopologyRules(effective, placement);
    const reasons = new Map<string, number>();
    const fitting = nodes.filter((node) => {
        const objections = objectionsOf(effective, node, placement, rules);
        for (const reason of objections) reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
        return objections.length === 0;
    });
    if (fitting.length === 0) {
        const told = [...reasons].map(([reason, count]) => `${count} ${reason}`).sort();
        return { message: `0/${nodes.length} nodes are available: ${told.join(", ")}.` };
    }
    const ranked = fitting.map((node) => ({ node, score: score(effective, node, placement, rules) }));
    ranked.sort(
        (one, other) => other.score - one.score || (one.node.metadata.name < other.node.metadata.name ? -1 : 1),
    );
    const [best] = ranked;
    return best === undefined ? { message: "no nodes available to schedule pods" } : { node: best.node };
}

/** The first rule that a node breaks; all missing resources at once. */
function objectionsOf(pod: Pod, node: Node, placement: Placement, rules: TopologyRules): readonly string[] {
    const tolerations = pod.spec.tolerations ?? [];
    if (node.spec?.unschedulable && !tolerations.some((toleration) => tolerates(toleration, UNSCHEDULABLE))) {
        return ["node(s) were unschedulable"];
    }
    const taint = untolerated(node.spec?.taints ?? [], tolerations, STOPS_SCHEDULING);
    if (taint !== undefined) return [`node(s) had untolerated taint {${taint.key}: ${taint.value ?? ""}}`];
    if (!matchesNode(pod, node)) return ["node(s) didn't match Pod's node affinity/selector"];
    const present = placement.podsOn(node);
    if (portsTaken(present, pod)) return ["node(s) didn't have free ports for the requested pod ports"];
    const missing = lacking(node, present, pod);
    if (missing.length > 0) return missing;
    const objection = rules.objection(node);
    return objection === undefined ? [] : [objection];
}

/** Preferences first, then few pods of the same owner, then few pods, then room. Higher is better. */
function score(pod: Pod, node: Node, placement: Placement, rules: TopologyRules): number {
    const present = placement.podsOn(node);
    const owner = pod.metadata.ownerReferences?.find(({ controller }) => controller)?.uid;
    const siblings = present.filter(({ metadata }) =>
        metadata.ownerReferences?.some(({ controller, uid }) => controller && uid === owner),
    );
    const preferred = pod.spec.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
    const liked = preferred
        .filter(({ preference }) => matchesTerm(preference, node))
        .reduce((weight, term) => weight + term.weight, 0);
    const disliked = (node.spec?.taints ?? []).filter(
        (taint) =>
            taint.effect === "PreferNoSchedule" &&
            !(pod.spec.tolerations ?? []).some((toleration) => tolerates(toleration, taint)),
    );
    return (
        1000 * (liked + rules.preference(node) - 100 * disliked.length) -
        100 * (owner === undefined ? 0 : siblings.length) -
        10 * present.length -
        fullness(node, present, pod)
    );
}
