// SPDX-License-Identifier: Apache-2.0
export { type ServiceBusConfig, serviceBusConfig } from "./config.ts";
export { ServiceBus, type ServiceBusPorts } from "./service-bus.ts";
