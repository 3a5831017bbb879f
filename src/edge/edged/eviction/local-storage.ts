// SPDX-License-Identifier: Apache-2.0
import { parseQuantity } from "../../../kube/quantity.ts";
import type { Pod } from "../podspec/types.ts";

/** Bytes on disk of a pod's parts. */
export interface LocalStorage {
    /** By volume; emptyDir on disk only. */
    readonly volumes: ReadonlyMap<string, number>;
    /** By container: what it wrote beside its volumes. */
    readonly containers: ReadonlyMap<string, number>;
}

/** True when something has to be measured for it. */
export function limitsLocalStorage(pod: Pod): boolean {
    const limited = pod.spec.containers.some(({ resources }) => resources?.limits?.["ephemeral-storage"] !== undefined);
    return limited || (pod.spec.volumes ?? []).some(({ emptyDir }) => emptyDir?.sizeLimit !== undefined);
}

/** What the pod exceeds, in the kubelet's words; undefined when it keeps to its limits. */
export function exceededLimit(pod: Pod, used: LocalStorage): string | undefined {
    for (const { name, emptyDir } of pod.spec.volumes ?? []) {
        const limit = parseQuantity(emptyDir?.sizeLimit);
        if (limit === undefined || emptyDir?.medium === "Memory" || (used.volumes.get(name) ?? 0) <= limit) continue;
        return `Usage of EmptyDir volume "${name}" exceeds the limit "${emptyDir?.sizeLimit}".`;
    }
    const limits = pod.spec.containers.map(({ resources }) => resources?.limits?.["ephemeral-storage"]);
    for (const [index, { name }] of pod.spec.containers.entries()) {
        const limit = parseQuantity(limits[index]);
        if (limit === undefined || (used.containers.get(name) ?? 0) <= limit) continue;
        return `Container ${name} exceeded its local ephemeral storage limit "${limits[index]}".`;
    }
    if (limits.some((limit) => limit === undefined)) return undefined;
    const whole = limits.reduce((sum, limit) => sum + (parseQuantity(limit) ?? 0), 0);
    const total = [...used.volumes.values(), ...used.containers.values()].reduce((sum, bytes) => sum + bytes, 0);
    if (total <= whole) return undefined;
    return `Pod ephemeral local storage usage exceeds the total limit of containers ${whole}.`;
}
