// SPDX-License-Identifier: Apache-2.0
export { type RouterConfig, routerConfig } from "./config.ts";
export { Router, type RouterPorts } from "./router.ts";
