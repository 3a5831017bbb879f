// SPDX-License-Identifier: Apache-2.0
export { CloudHub, type CloudHubOutput, type CloudHubPorts } from "./cloudhub.ts";
export { type CloudHubConfig, cloudHubConfig } from "./config.ts";
