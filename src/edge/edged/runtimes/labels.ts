// SPDX-License-Identifier: Apache-2.0
import type { ContainerKind, PodRef } from "./runtime.ts";

/** The kubelet's own labels where it has one, so that other tools recognise pods. */
export const LABEL = {
    pod: "io.kubernetes.pod.name",
    namespace: "io.kubernetes.pod.namespace",
    uid: "io.kubernetes.pod.uid",
    container: "io.kubernetes.container.name",
    attempt: "io.kubernetes.container.restartCount",
    hash: "io.kubernetes.container.hash",
    /** Which gateway it belongs to: an engine may serve several, and other things too. */
    owner: "edge.redge.io/owner",
    kind: "edge.redge.io/kind",
    image: "edge.redge.io/image",
    message: "edge.redge.io/termination-message",
} as const;

export type LabelKind = ContainerKind | "sandbox";

export function podLabels(owner: string, pod: PodRef, kind: LabelKind): Record<string, string> {
    return {
        [LABEL.owner]: owner,
        [LABEL.pod]: pod.name,
        [LABEL.namespace]: pod.namespace,
        [LABEL.uid]: pod.uid,
        [LABEL.kind]: kind,
    };
}

/** The engine's own naming scheme for pods (dockershim): unique by pod, container and attempt. */
export function containerName(pod: PodRef, container: string, attempt: number): string {
    return `k8s_${container}_${pod.name}_${pod.namespace}_${pod.uid}_${attempt}`;
}

export function podRefOf(labels: Readonly<Record<string, string>>): PodRef {
    return {
        name: labels[LABEL.pod] ?? "",
        namespace: labels[LABEL.namespace] ?? "",
        uid: labels[LABEL.uid] ?? "",
    };
}
