// SPDX-License-Identifier: Apache-2.0
import type { FlowNode } from "../../../src/edge/edged/index.ts";

/** From the gateway to a pod's own Node-RED. */
export interface DeployCommand {
    readonly kind: "deploy";
    readonly nodes: readonly FlowNode[];
}

/** How the pod's Node-RED is started; the first message it gets. */
export interface StartCommand extends Omit<DeployCommand, "kind"> {
    readonly kind: "start";
    /** Where to load the node-red package from. */
    readonly nodeRed: string;
    readonly userDir: string;
}

export type ToChild = StartCommand | DeployCommand;

/** From a pod's own Node-RED to the gateway. */
export type FromChild =
    | { readonly kind: "started"; readonly version: string }
    | { readonly kind: "failed"; readonly code: "missing-types" | "failed"; readonly reason: string }
    | { readonly kind: "log"; readonly stream: "stdout" | "stderr"; readonly text: string }
    | { readonly kind: "status"; readonly nodeId: string; readonly status: Readonly<Record<string, unknown>> };
