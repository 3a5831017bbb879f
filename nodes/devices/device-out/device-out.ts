// SPDX-License-Identifier: Apache-2.0
import { attachComponent } from "../../shell/component-node.ts";
import type { NodeDef, NodeRed, RedNode } from "../../shell/red.ts";

export default function (RED: NodeRed): void {
    function DeviceOutNode(this: RedNode, def: NodeDef): void {
        RED.nodes.createNode(this, def);
        attachComponent(
            RED,
            this,
            def,
            async (shell) => {
                const { DeviceOut, deviceNodeConfig } = await import("../../../src/edge/mappers/palette/index.ts");
                return new DeviceOut(shell.parse(deviceNodeConfig));
            },
            {
                plain: {
                    outputs: [],
                    take: (device, message) => device.receiveMessage(message),
                },
            },
        );
    }
    RED.nodes.registerType("kubeedge-device-out", DeviceOutNode);
}
