// SPDX-License-Identifier: Apache-2.0
import { isDeepStrictEqual } from "node:util";
import type { Node, Taint } from "../../objects/node.ts";
import { conditionOf } from "../lib/pods.ts";
import { metaTime } from "../lib/time.ts";

/** Nodes with this label are at the edge: they may be out of reach for days and work on meanwhile. */
export const EDGE_ROLE = "node-role.kubernetes.io/edge";
/** Annotation "true": treat this edge node as any other and evict its pods when it is out of reach. */
export const EVICT_WHEN_UNREACHABLE = "kubeedge.io/evict-when-unreachable";

const NOT_READY = "node.kubernetes.io/not-ready";
const UNREACHABLE = "node.kubernetes.io/unreachable";
const PRESSURE: Readonly<Record<string, string>> = {
    MemoryPressure: "node.kubernetes.io/memory-pressure",
    DiskPressure: "node.kubernetes.io/disk-pressure",
    PIDPressure: "node.kubernetes.io/pid-pressure",
    NetworkUnavailable: "node.kubernetes.io/network-unavailable",
};
const UNSCHEDULABLE = "node.kubernetes.io/unschedulable";
const MANAGED = new Set([NOT_READY, UNREACHABLE, UNSCHEDULABLE, ...Object.values(PRESSURE)]);

/** True when the node keeps its pods while it cannot be reached. */
export function isAutonomous({ metadata }: Node): boolean {
    return metadata.labels?.[EDGE_ROLE] !== undefined && metadata.annotations?.[EVICT_WHEN_UNREACHABLE] !== "true";
}

/**
 * The taints a node should have, from its conditions (KEP-382); undefined when it has them. A taint that stays keeps
 * the time it was added, from which evictions count.
 */
export function wantedTaints(node: Node, nowMs: number): Taint[] | undefined {
    const known = node.spec?.taints ?? [];
    const wanted: { key: string; effect: string }[] = [];
    const ready = conditionOf(node.status?.conditions, "Ready")?.status;
    const key = ready === "True" ? undefined : ready === "False" || ready === undefined ? NOT_READY : UNREACHABLE;
    if (key !== undefined) {
        wanted.push({ key, effect: "NoSchedule" });
        if (ready !== undefined && !isAutonomous(node)) wanted.push({ key, effect: "NoExecute" });
    }
    for (const [type, pressure] of Object.entries(PRESSURE)) {
        const condition = conditionOf(node.status?.conditions, type);
        if (condition?.status === "True") wanted.push({ key: pressure, effect: "NoSchedule" });
    }
    if (node.spec?.unschedulable) wanted.push({ key: UNSCHEDULABLE, effect: "NoSchedule" });
    const taints = [
        ...known.filter((taint) => !MANAGED.has(taint.key)),
        ...wanted.map((want) => {
            const same = known.find((taint) => taint.key === want.key && taint.effect === want.effect);
            return same ?? { ...want, timeAdded: metaTime(nowMs) };
        }),
    ];
    const order = (list: readonly Taint[]): Taint[] =>
        [...list].sort((one, other) => (`${one.key}:${one.effect}` < `${other.key}:${other.effect}` ? -1 : 1));
    return isDeepStrictEqual(order(known), order(taints)) ? undefined : taints;
}
