// SPDX-License-Identifier: Apache-2.0
export { type DmiConfig, dmiConfig } from "./config.ts";
export { type DmiPorts, DmiServer } from "./dmi-server.ts";
