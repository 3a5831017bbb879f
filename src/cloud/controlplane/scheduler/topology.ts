// SPDX-License-Identifier: Apache-2.0
import { labelSelectorMatcher } from "../../../kube/selectors/labels.ts";
import type { KubeObject } from "../../../kube/types.ts";
import type { Node } from "../objects/node.ts";
import type { Pod, PodAffinityTerm, TopologySpreadConstraint } from "../objects/pod.ts";
import { matchesNode } from "./node-affinity.ts";

/** Nodes and the pods on them, at one moment. */
export interface Placement {
    readonly nodes: readonly Node[];
    podsOn(node: Node): readonly Pod[];
    namespace(name: string): KubeObject | undefined;
}

/** Answers for one pod: rules that look at where other pods are. Made once a pod, asked once a node. */
export class TopologyRules {
    readonly #pod: Pod;
    readonly #placement: Placement;

    constructor(pod: Pod, placement: Placement) {
        this.#pod = pod;
        this.#placement = placement;
    }

    /** Why the node is no place for the pod, if so. */
    objection(node: Node): string | undefined {
        const { podAffinity, podAntiAffinity } = this.#pod.spec.affinity ?? {};
        const near = podAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? [];
        if (!near.every((term) => this.#isNear(node, term))) return "node(s) didn't match pod affinity rules";
        const apart = podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? [];
        if (apart.some((term) => this.#count(node, term, this.#pod) > 0)) {
            return "node(s) didn't match pod anti-affinity rules";
        }
        if (this.#isUnwelcome(node)) return "node(s) didn't satisfy existing pods anti-affinity rules";
        const spread = (this.#pod.spec.topologySpreadConstraints ?? []).filter(
            ({ whenUnsatisfiable }) => whenUnsatisfiable === "DoNotSchedule",
        );
        for (const constraint of spread) {
            if (node.metadata.labels?.[constraint.topologyKey] === undefined) {
                return "node(s) didn't match pod topology spread constraints (missing required label)";
            }
            if (this.#skew(node, constraint) > constraint.maxSkew) {
                return "node(s) didn't match pod topology spread constraints";
            }
        }
        return undefined;
    }

    /** The weight of preferred rules that speak for the node; negative when more speak against it. */
    preference(node: Node): number {
        const { podAffinity, podAntiAffinity } = this.#pod.spec.affinity ?? {};
        let weight = 0;
        for (const preferred of podAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []) {
            if (this.#count(node, preferred.podAffinityTerm, this.#pod) > 0) weight += preferred.weight;
        }
        for (const preferred of podAntiAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []) {
            if (this.#count(node, preferred.podAffinityTerm, this.#pod) > 0) weight -= preferred.weight;
        }
        return weight;
    }

    /** The first pod of a group that wants to be together may go anywhere. */
    #isNear(node: Node, term: PodAffinityTerm): boolean {
        if (node.metadata.labels?.[term.topologyKey] === undefined) return false;
        if (this.#count(node, term, this.#pod) > 0) return true;
        const { nodes } = this.#placement;
        const anywhere = nodes.some((other) => this.#placement.podsOn(other).some(this.#selects(term, this.#pod)));
        return !anywhere && this.#selects(term, this.#pod)(this.#pod);
    }

    #isUnwelcome(node: Node): boolean {
        return this.#placement.nodes.some((other) =>
            this.#placement
                .podsOn(other)
                .some((present) =>
                    (present.spec.affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []).some(
                        (term) => sameDomain(node, other, term.topologyKey) && this.#selects(term, present)(this.#pod),
                    ),
                ),
        );
    }

    /** Pods that a term of `owner` selects, in the node's domain. */
    #count(node: Node, term: PodAffinityTerm, owner: Pod): number {
        const selects = this.#selects(term, owner);
        return this.#placement.nodes
            .filter((other) => sameDomain(node, other, term.topologyKey))
            .reduce((count, other) => count + this.#placement.podsOn(other).filter(selects).length, 0);
    }

    #selects(term: PodAffinityTerm, owner: Pod): (pod: Pod) => boolean {
        const matches = labelSelectorMatcher(term.labelSelector);
        const listed = term.namespaces ?? [];
        const selected =
            term.namespaceSelector === undefined ? undefined : labelSelectorMatcher(term.namespaceSelector);
        const own = listed.length === 0 && selected === undefined;
        return ({ metadata }) => {
            const namespace = metadata.namespace ?? "";
            const inScope =
                (own && namespace === owner.metadata.namespace) ||
                listed.includes(namespace) ||
                selected?.(this.#placement.namespace(namespace)?.metadata.labels) === true;
            return inScope && matches(metadata.labels);
        };
    }

    #skew(node: Node, { topologyKey, labelSelector }: TopologySpreadConstraint): number {
        const matches = labelSelectorMatcher(labelSelector);
        const counts = new Map<string, number>();
        for (const other of this.#placement.nodes) {
            const domain = other.metadata.labels?.[topologyKey];
            if (domain === undefined || !matchesNode(this.#pod, other)) continue;
            const here = this.#placement
                .podsOn(other)
                .filter(
                    ({ metadata }) => metadata.namespace === this.#pod.metadata.namespace && matches(metadata.labels),
                );
            counts.set(domain, (counts.get(domain) ?? 0) + here.length);
        }
        const own = counts.get(node.metadata.labels?.[topologyKey] ?? "") ?? 0;
        const self = matches(this.#pod.metadata.labels) ? 1 : 0;
        return own + self - Math.min(...counts.values(), own);
    }
}

function sameDomain(one: Node, other: Node, topologyKey: string): boolean {
    const domain = one.metadata.labels?.[topologyKey];
    return domain !== undefined && other.metadata.labels?.[topologyKey] === domain;
}
