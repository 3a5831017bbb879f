// SPDX-License-Identifier: Apache-2.0
import { createHash } from "node:crypto";

const POD_ID = /^(pod-[0-9a-f]{10})-/;

/**
 * What the ids of a unit's nodes begin with. It is the same for every start of the container, so that a flow which has
 * not changed is not started anew; and it alone marks nodes as a pod's, because the editor keeps no property it does not know.
 */
export function podPrefix(unitId: string): string {
    const container = unitId.replace(/\.\d+$/, "");
    return `pod-${createHash("sha256").update(container).digest("hex").slice(0, 10)}`;
}

/** The unit's prefix in a node id; undefined for the gateway owner's nodes. */
export function prefixOf(id: unknown): string | undefined {
    return typeof id === "string" ? POD_ID.exec(id)?.[1] : undefined;
}

/** True for every node that belongs to a pod: tabs, their nodes, subflows and config nodes. */
export function isPodNode(node: { readonly id?: unknown }): boolean {
    return prefixOf(node.id) !== undefined;
}

/** The id as the flow's author knows it. */
export function stripPodId(id: string): string {
    return id.replace(/^pod-[0-9a-f]{10}-(\d+-)?/, "");
}
