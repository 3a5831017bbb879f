// SPDX-License-Identifier: Apache-2.0
export { type DeviceControllerConfig, deviceControllerConfig } from "./config.ts";
export { DeviceController, type DeviceControllerPorts } from "./device-controller.ts";
