// SPDX-License-Identifier: Apache-2.0
export { type ModbusMapperConfig, modbusMapperConfig } from "./config.ts";
export { ModbusMapper, type ModbusMapperEvents } from "./mapper.ts";
export type { ModbusMessage, ModbusOutput } from "./wired-transport.ts";
