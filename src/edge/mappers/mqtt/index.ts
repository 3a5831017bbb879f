// SPDX-License-Identifier: Apache-2.0
export {
    MqttMapper,
    type MqttMapperConfig,
    type MqttMapperEvents,
    type MqttMessage,
    mqttMapperConfig,
} from "./mapper.ts";
