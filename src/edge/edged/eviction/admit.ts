// SPDX-License-Identifier: Apache-2.0
import { qosClass } from "../podspec/qos.ts";
import type { Pod } from "../podspec/types.ts";
import { isCritical } from "./rank.ts";
import type { PressureType } from "./thresholds.ts";

interface Toleration {
    readonly key?: string;
    readonly operator?: string;
    readonly effect?: string;
}

/** Short of memory alone, a node still takes pods that asked for what they need, or tolerate the pressure. */
export function admitUnderPressure(
    pod: Pod,
    pressures: ReadonlySet<PressureType>,
): { readonly reason: string; readonly message: string } | undefined {
    if (pressures.size === 0 || isCritical(pod)) return undefined;
    if (pressures.size === 1 && pressures.has("MemoryPressure")) {
        if (qosClass(pod) !== "BestEffort" || tolerates(pod, "node.kubernetes.io/memory-pressure")) return undefined;
    }
    return { reason: "Evicted", message: `The node had condition: [${[...pressures].join(" ")}].` };
}

function tolerates(pod: Pod, key: string): boolean {
    const tolerations = (pod.spec["tolerations"] ?? []) as readonly Toleration[];
    return tolerations.some(
        (one) =>
            (one.key === key || (one.key === undefined && one.operator === "Exists")) &&
            (one.effect === undefined || one.effect === "" || one.effect === "NoSchedule"),
    );
}
