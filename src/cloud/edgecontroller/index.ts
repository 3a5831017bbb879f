// SPDX-License-Identifier: Apache-2.0
export { type EdgeControllerConfig, edgeControllerConfig } from "./config.ts";
export { EdgeController, type EdgeControllerPorts } from "./edge-controller.ts";
