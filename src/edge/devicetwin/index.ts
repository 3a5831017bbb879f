// SPDX-License-Identifier: Apache-2.0
export { type DeviceTwinConfig, deviceTwinConfig } from "./config.ts";
export { DeviceTwin, type DeviceTwinOutput, type DeviceTwinPorts } from "./device-twin.ts";
