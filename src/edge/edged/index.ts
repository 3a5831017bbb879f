// SPDX-License-Identifier: Apache-2.0
export { type EdgedConfig, edgedConfig } from "./config.ts";
export { Edged, type EdgedPorts } from "./edged.ts";
export type { FlowHost, FlowHostListener, FlowNode, FlowUnit } from "./runtimes/flow/flow-host.ts";
export { FlowRuntime } from "./runtimes/flow/flow-runtime.ts";
export type { PodRuntime } from "./runtimes/runtime.ts";
