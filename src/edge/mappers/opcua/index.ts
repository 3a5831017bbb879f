// SPDX-License-Identifier: Apache-2.0
export type { OpcuaDialer, OpcuaLink, OpcuaReading } from "./link.ts";
export { OpcuaMapper, type OpcuaMapperConfig, type OpcuaMapperPorts, opcuaMapperConfig } from "./mapper.ts";
export { NodeOpcuaDialer } from "./node-opcua.ts";
