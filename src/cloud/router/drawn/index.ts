// SPDX-License-Identifier: Apache-2.0
export { type RouteInConfig, type RouteOutConfig, routeInConfig, routeOutConfig } from "./config.ts";
export type { RouteMessage } from "./message.ts";
export { RouteIn, type RouteInPorts } from "./route-in.ts";
export { RouteOut } from "./route-out.ts";
