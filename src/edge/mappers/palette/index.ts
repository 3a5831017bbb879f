// SPDX-License-Identifier: Apache-2.0
export {
    type DeviceGetConfig,
    type DeviceInConfig,
    type DeviceNodeConfig,
    deviceGetConfig,
    deviceInConfig,
    deviceNodeConfig,
} from "./config.ts";
export { DeviceGet, type DeviceGetEvents } from "./device-get.ts";
export { DeviceIn, type DeviceInEvents } from "./device-in.ts";
export { DeviceOut } from "./device-out.ts";
export type { PlainMessage } from "./messages.ts";
