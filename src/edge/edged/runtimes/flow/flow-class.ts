// SPDX-License-Identifier: Apache-2.0

/** RuntimeClass handlers of flows: in the gateway's own Node-RED, or in a runtime of the pod's own. */
export const FLOW_HANDLERS = ["node-red", "node-red-isolated"] as const;
export type FlowHandler = (typeof FLOW_HANDLERS)[number];

export function isFlowClass(runtimeClassName: string | undefined): runtimeClassName is FlowHandler {
    return FLOW_HANDLERS.some((handler) => handler === runtimeClassName);
}
