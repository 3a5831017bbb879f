// SPDX-License-Identifier: Apache-2.0
import { RedgeError } from "../../../core/errors/redge-error.ts";
import type { EdgedConfig } from "../config.ts";
import type { MachineInfo } from "./machine.ts";

/** Kubernetes' own labels, KubeEdge's roles, Redge's mark and the configured ones. @throws REDGE_CONFIG_INVALID */
export function nodeLabels(config: EdgedConfig, info: MachineInfo | undefined): Record<string, string> {
    const architecture = info?.architecture ?? "";
    return {
        "kubernetes.io/hostname": config.nodeName,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": architecture,
        "beta.kubernetes.io/os": "linux",
        "beta.kubernetes.io/arch": architecture,
        "node-role.kubernetes.io/edge": "",
        "node-role.kubernetes.io/agent": "",
        // What the RuntimeClasses of flows select: in a mixed fleet only Redge gateways run them.
        "edge.redge.io/flows": "true",
        ...Object.fromEntries(
            pairs(config.labels).map((pair) => {
                const [key = "", ...value] = pair.split("=");
                if (key === "")
                    throw new RedgeError("REDGE_CONFIG_INVALID", { field: "labels", reason: `has "${pair}"` });
                return [key, value.join("=")];
            }),
        ),
    };
}

export interface Taint {
    readonly key: string;
    readonly value?: string;
    readonly effect: string;
}

/** "key=value:NoSchedule,…" as taints. @throws REDGE_CONFIG_INVALID */
export function nodeTaints(text: string): readonly Taint[] {
    return pairs(text).map((pair) => {
        const match = /^([^=:]+)(?:=([^:]*))?:(NoSchedule|PreferNoSchedule|NoExecute)$/.exec(pair);
        const [, key, value, effect] = match ?? [];
        if (key === undefined || effect === undefined) {
            throw new RedgeError("REDGE_CONFIG_INVALID", { field: "taints", reason: `has "${pair}"` });
        }
        return { key, effect, ...(value === undefined ? {} : { value }) };
    });
}

function pairs(text: string): readonly string[] {
    return text
        .split(",")
        .map((pair) => pair.trim())
        .filter((pair) => pair !== "");
}
