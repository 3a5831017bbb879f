// SPDX-License-Identifier: Apache-2.0
import { parseQuantity } from "../../../kube/quantity.ts";
import type { NodeStatus } from "./node-status.ts";

/** What the node can give to pods, in base units. */
export function nodeAllocatable(status: NodeStatus | undefined): Readonly<Record<string, number>> {
    const entries = Object.entries(status?.allocatable ?? {});
    return Object.fromEntries(entries.map(([name, text]) => [name, parseQuantity(text) ?? 0]));
}
