// SPDX-License-Identifier: Apache-2.0
export { type EdgeHubConfig, edgeHubConfig } from "./config.ts";
export { EdgeHub, type EdgeHubOutput, type EdgeHubPorts } from "./edgehub.ts";
