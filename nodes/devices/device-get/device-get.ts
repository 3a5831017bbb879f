// SPDX-License-Identifier: Apache-2.0
import { attachComponent } from "../../shell/component-node.ts";
import type { NodeDef, NodeRed, RedNode } from "../../shell/red.ts";

export default function (RED: NodeRed): void {
    function DeviceGetNode(this: RedNode, def: NodeDef): void {
        RED.nodes.createNode(this, def);
        attachComponent(
            RED,
            this,
            def,
            async (shell) => {
                const { DeviceGet, deviceGetConfig } = await import("../../../src/edge/mappers/palette/index.ts");
                return new DeviceGet(shell.parse(deviceGetConfig), shell.ports);
            },
            {
                plain: {
                    outputs: ["value"],
                    take: (device, message) => device.receiveMessage(message),
                    listen: (device, send) => device.on("value", (message) => send("value", message)),
                },
            },
        );
    }
    RED.nodes.registerType("kubeedge-device-get", DeviceGetNode);
}
