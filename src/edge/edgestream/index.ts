// SPDX-License-Identifier: Apache-2.0
export { type EdgeStreamConfig, edgeStreamConfig } from "./config.ts";
export { EdgeStream, type EdgeStreamPorts } from "./edgestream.ts";
