// SPDX-License-Identifier: Apache-2.0
import type { ConfigSchema } from "../../../core/config.ts";

export interface ModbusMapperConfig {
    /** Devices whose spec.protocol.protocolName is this one (in any case) are ours. */
    readonly protocol: string;
    /**
     * How many connections are served by Modbus nodes on the wires; `msg.lane` counts them from 1. Further
     * connections are made by the mapper itself.
     */
    readonly lanes: number;
}

export const modbusMapperConfig: ConfigSchema = {
    type: "object",
    properties: {
        protocol: { type: "string", default: "modbus" },
        lanes: { type: "integer", minimum: 0, maximum: 64, default: 1 },
    },
};
