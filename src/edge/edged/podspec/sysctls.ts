// SPDX-License-Identifier: Apache-2.0
import type { Pod } from "./types.ts";

const IPC = /^(kernel\.(shm|msg|sem)|fs\.mqueue\.)/;

/**
 * Why a sysctl of the pod cannot be set; undefined when all can. Only those that the kernel keeps for each namespace can, and
 * only where the pod has that namespace to itself: set anywhere else they would be the gateway's own.
 */
export function refusedSysctl({ spec }: Pod): string | undefined {
    for (const { name: given } of spec.securityContext?.sysctls ?? []) {
        const name = given.replaceAll("/", ".");
        const isNet = name.startsWith("net.");
        if (!isNet && !IPC.test(name)) return `forbidden sysctl: "${given}" is none that a pod can have of its own`;
        if (isNet && spec.hostNetwork === true) return `forbidden sysctl: "${given}" not allowed with host net enabled`;
        if (!isNet && spec.hostIPC === true) return `forbidden sysctl: "${given}" not allowed with host ipc enabled`;
    }
    return undefined;
}
