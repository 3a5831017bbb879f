// SPDX-License-Identifier: Apache-2.0

/** What an MQTT topic asks of DeviceTwin (device plane reference 3.2). */
export type TwinTopic =
    | { readonly kind: "twin/get" | "twin/update" | "state/update"; readonly id: string; readonly oneSegment: boolean }
    | { readonly kind: "membership/get"; readonly node: string };

const DEVICE_PREFIX = "$hw/events/device/";
const NODE_PREFIX = "$hw/events/node/";

/**
 * Reads a topic by the position of its segments; KubeEdge searches for the namespace's text and stumbles over
 * namespaces such as "dev" or "events". Undefined: nothing that DeviceTwin listens to.
 */
export function parseTopic(topic: string, oneSegmentIds: boolean): TwinTopic | undefined {
    if (topic.startsWith(NODE_PREFIX)) {
        const [node, ...rest] = topic.slice(NODE_PREFIX.length).split("/");
        return node && rest.join("/") === "membership/get" ? { kind: "membership/get", node } : undefined;
    }
    if (!topic.startsWith(DEVICE_PREFIX)) return undefined;
    const segments = topic.slice(DEVICE_PREFIX.length).split("/");
    const kind = kindOf(segments.slice(-2).join("/"));
    const id = segments.slice(0, -2);
    if (kind === undefined || id.some((segment) => segment === "")) return undefined;
    if (id.length === 2) return { kind, id: id.join("/"), oneSegment: false };
    return id.length === 1 && oneSegmentIds ? { kind, id: `default/${id[0]}`, oneSegment: true } : undefined;
}

export function deviceTopic(id: string, suffix: string, oneSegment = false): string {
    return `${DEVICE_PREFIX}${oneSegment ? id.slice(id.indexOf("/") + 1) : id}/${suffix}`;
}

export function nodeTopic(node: string, suffix: string): string {
    return `${NODE_PREFIX}${node}/${suffix}`;
}

function kindOf(suffix: string): "twin/get" | "twin/update" | "state/update" | undefined {
    return suffix === "twin/get" || suffix === "twin/update" || suffix === "state/update" ? suffix : undefined;
}
