// SPDX-License-Identifier: Apache-2.0
import { attachComponent } from "../../shell/component-node.ts";
import type { NodeDef, NodeRed, RedNode } from "../../shell/red.ts";

export default function (RED: NodeRed): void {
    function MqttMapperNode(this: RedNode, def: NodeDef): void {
        RED.nodes.createNode(this, def);
        attachComponent(
            RED,
            this,
            def,
            async (shell) => {
                const { MqttMapper, mqttMapperConfig } = await import("../../../src/edge/mappers/mqtt/index.ts");
                return new MqttMapper(shell.parse(mqttMapperConfig), shell.ports);
            },
            {
                plain: {
                    outputs: ["subscribe", "publish"],
                    take: (mapper, message) => mapper.receiveMqtt(message),
                    listen: (mapper, send) => mapper.on("mqtt", send),
                },
            },
        );
    }
    RED.nodes.registerType("kubeedge-mqtt-mapper", MqttMapperNode);
}
