// SPDX-License-Identifier: Apache-2.0
import { parseQuantity } from "../../../kube/quantity.ts";
import type { Container, Pod } from "./types.ts";

export type QosClass = "Guaranteed" | "Burstable" | "BestEffort";

/** The pod's quality of service class as Kubernetes defines it. */
export function qosClass(pod: Pod): QosClass {
    const containers = [...pod.spec.containers, ...(pod.spec.initContainers ?? [])];
    const any = containers.some(({ resources }) =>
        [resources?.limits, resources?.requests].some(
            (list) => list?.["cpu"] !== undefined || list?.["memory"] !== undefined,
        ),
    );
    if (!any) return "BestEffort";
    return containers.every(guaranteed) ? "Guaranteed" : "Burstable";
}

/** Which process the kernel kills first when memory runs out (kubelet's numbers). */
export function oomScoreAdj(pod: Pod, container: Container, nodeMemoryBytes: number): number {
    switch (qosClass(pod)) {
        case "Guaranteed":
            return -997;
        case "BestEffort":
            return 1000;
        case "Burstable": {
            const request = parseQuantity(container.resources?.requests?.["memory"]) ?? 0;
            const score = 1000 - Math.floor((1000 * request) / nodeMemoryBytes);
            return Math.min(999, Math.max(3, score));
        }
    }
}

function guaranteed({ resources }: Container): boolean {
    return ["cpu", "memory"].every((name) => {
        const limit = parseQuantity(resources?.limits?.[name]);
        const request = parseQuantity(resources?.requests?.[name]) ?? limit;
        return limit !== undefined && limit > 0 && request === limit;
    });
}
