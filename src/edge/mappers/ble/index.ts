// SPDX-License-Identifier: Apache-2.0
export { BluezCentral } from "./bluez.ts";
export type { BleCentral, BlePeripheral } from "./central.ts";
export { BleMapper, type BleMapperConfig, type BleMapperPorts, bleMapperConfig } from "./mapper.ts";
