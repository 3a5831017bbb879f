// SPDX-License-Identifier: Apache-2.0
import type { Taint } from "../objects/node.ts";
import type { Toleration } from "../objects/pod.ts";

export function tolerates(toleration: Toleration, taint: Taint): boolean {
    if (toleration.effect && toleration.effect !== taint.effect) return false;
    if (toleration.key && toleration.key !== taint.key) return false;
    if (toleration.operator === "Exists") return true;
    // Without a key only "Exists" tolerates everything.
    return Boolean(toleration.key) && (toleration.value ?? "") === (taint.value ?? "");
}

/** The first taint of one of the effects that no toleration covers. */
export function untolerated(
    taints: readonly Taint[],
    tolerations: readonly Toleration[],
    effects: readonly string[],
): Taint | undefined {
    return taints.find(
        (taint) => effects.includes(taint.effect) && !tolerations.some((toleration) => tolerates(toleration, taint)),
    );
}

export const STOPS_SCHEDULING = ["NoSchedule", "NoExecute"] as const;
