// SPDX-License-Identifier: Apache-2.0
export { CloudStream, type CloudStreamPorts } from "./cloudstream.ts";
export { type CloudStreamConfig, cloudStreamConfig } from "./config.ts";
