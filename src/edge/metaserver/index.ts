// SPDX-License-Identifier: Apache-2.0
export { type MetaServerConfig, metaServerConfig } from "./config.ts";
export { MetaServer, type MetaServerPorts } from "./metaserver.ts";
export { ServingMetaManager } from "./serving-metamanager.ts";
