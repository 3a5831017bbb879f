// SPDX-License-Identifier: Apache-2.0
import { type DeviceInstance, resolveDevice } from "../../../../src/edge/mappers/device-instance.ts";

export interface PropertyOf {
    readonly type?: string;
    readonly accessMode?: "ReadWrite" | "ReadOnly";
    readonly minimum?: string;
    readonly collectCycle?: number;
    readonly visitor: Readonly<Record<string, unknown>>;
}

/** A Modbus device with its model, merged. */
export function modbusDevice(
    name: string,
    connection: Readonly<Record<string, unknown>>,
    properties: Readonly<Record<string, PropertyOf>>,
): DeviceInstance {
    const entries = Object.entries(properties);
    return resolveDevice(
        {
            metadata: { namespace: "default", name },
            spec: {
                deviceModelRef: { name: "m" },
                protocol: { protocolName: "modbus", configData: connection },
                properties: entries.map(([key, { visitor, collectCycle }]) => ({
                    name: key,
                    ...(collectCycle === undefined ? {} : { collectCycle }),
                    visitors: { protocolName: "modbus", configData: visitor },
                })),
            },
        },
        {
            metadata: { namespace: "default", name: "m" },
            spec: {
                protocol: "modbus",
                properties: entries.map(([key, { type = "INT", accessMode = "ReadWrite", minimum }]) => ({
                    name: key,
                    type,
                    accessMode,
                    ...(minimum === undefined ? {} : { minimum }),
                })),
            },
        },
    );
}
