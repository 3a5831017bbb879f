// SPDX-License-Identifier: Apache-2.0
import type { PodTemplate } from "../../objects/pod.ts";
import type { ControllerRevision, StatefulSet } from "../../objects/workloads.ts";
import { CONTROLLER_REVISION_HASH } from "../lib/hash.ts";

const POD_NAME = "statefulset.kubernetes.io/pod-name";
const POD_INDEX = "apps.kubernetes.io/pod-index";

/** The number at the end of a pod's name; undefined when it is not one of this set's names. */
export function ordinalOf(set: StatefulSet, podName: string): number | undefined {
    const rest = podName.slice(set.metadata.name.length);
    return podName.startsWith(set.metadata.name) && /^-\d+$/.test(rest) ? Number(rest.slice(1)) : undefined;
}

export function podName(set: StatefulSet, ordinal: number): string {
    return `${set.metadata.name}-${ordinal}`;
}

/** The ordinals that a set wishes, lowest first. */
export function wishedOrdinals(set: StatefulSet): number[] {
    const start = set.spec.ordinals?.start ?? 0;
    return Array.from({ length: set.spec.replicas ?? 1 }, (_, index) => start + index);
}

export function claimName(templateName: string, pod: string): string {
    return `${templateName}-${pod}`;
}

/** The template of one pod: its own name as host name, its own claims as volumes, its revision as label. */
export function templateFor(set: StatefulSet, ordinal: number, revision: ControllerRevision): PodTemplate {
    const { $patch: _, ...template } = (revision.data as { spec: { template: PodTemplate & { $patch?: string } } }).spec
        .template;
    const name = podName(set, ordinal);
    const claims = (set.spec.volumeClaimTemplates ?? []).map(({ metadata }) => ({
        name: metadata.name,
        persistentVolumeClaim: { claimName: claimName(metadata.name, name) },
    }));
    const volumes = (template.spec["volumes"] ?? []) as { name: string }[];
    const others = volumes.filter((volume) => !claims.some((claim) => claim.name === volume.name));
    return {
        metadata: {
            ...template.metadata,
            labels: {
                ...template.metadata?.labels,
                [POD_NAME]: name,
                [POD_INDEX]: String(ordinal),
                [CONTROLLER_REVISION_HASH]: revision.metadata.name,
            },
        },
        spec: {
            ...template.spec,
            hostname: name,
            ...(set.spec.serviceName ? { subdomain: set.spec.serviceName } : {}),
            ...(claims.length + others.length > 0 ? { volumes: [...others, ...claims] } : {}),
        },
    };
}
