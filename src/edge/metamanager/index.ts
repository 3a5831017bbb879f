// SPDX-License-Identifier: Apache-2.0
export { type MetaManagerConfig, metaManagerConfig } from "./config.ts";
export { MetaManager, type MetaManagerPorts } from "./metamanager.ts";
