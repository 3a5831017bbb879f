// SPDX-License-Identifier: Apache-2.0
import { RedgeError } from "../../../core/errors/redge-error.ts";
import { text } from "../fields.ts";
import type { DeviceNodeConfig } from "./config.ts";

/** A Node-RED message: whatever a flow has made of it. */
export type PlainMessage = Readonly<Record<string, unknown>>;

/** The device a message is about: the node's own, else `msg.device`. @throws REDGE_DEVICE_MESSAGE */
export function deviceOf(config: DeviceNodeConfig, message: PlainMessage, component: string): string {
    const device = config.device ?? text(message["device"]);
    if (device) return fullId(device);
    throw new RedgeError("REDGE_DEVICE_MESSAGE", { component, field: "msg.device", reason: "is missing" });
}

export function propertyOf(config: DeviceNodeConfig, message: PlainMessage): string | undefined {
    return config.property ?? (text(message["property"]) || undefined);
}

export function fullId(device: string): string {
    return device.includes("/") ? device : `default/${device}`;
}
