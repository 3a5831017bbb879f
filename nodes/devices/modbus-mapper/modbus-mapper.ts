// SPDX-License-Identifier: Apache-2.0
import { attachComponent } from "../../shell/component-node.ts";
import type { NodeDef, NodeRed, RedNode } from "../../shell/red.ts";

export default function (RED: NodeRed): void {
    function ModbusMapperNode(this: RedNode, def: NodeDef): void {
        RED.nodes.createNode(this, def);
        attachComponent(
            RED,
            this,
            def,
            async (shell) => {
                const { ModbusMapper, modbusMapperConfig } = await import("../../../src/edge/mappers/modbus/index.ts");
                return new ModbusMapper(shell.parse(modbusMapperConfig), shell.ports);
            },
            {
                plain: {
                    outputs: ["connect", "read", "write"],
                    take: (mapper, message) => mapper.receiveModbus(message),
                    listen: (mapper, send) => mapper.on("modbus", send),
                },
            },
        );
    }
    RED.nodes.registerType("kubeedge-modbus-mapper", ModbusMapperNode);
}
