// SPDX-License-Identifier: Apache-2.0
export { type EventBusConfig, type EventBusUser, eventBusConfig } from "./config.ts";
export { EventBus, type EventBusOutput, type EventBusPorts } from "./event-bus.ts";
