// SPDX-License-Identifier: Apache-2.0
import { attachComponent } from "../../shell/component-node.ts";
import type { NodeDef, NodeRed, RedNode } from "../../shell/red.ts";

export default function (RED: NodeRed): void {
    function DeviceInNode(this: RedNode, def: NodeDef): void {
        RED.nodes.createNode(this, def);
        attachComponent(
            RED,
            this,
            def,
            async (shell) => {
                const { DeviceIn, deviceInConfig } = await import("../../../src/edge/mappers/palette/index.ts");
                return new DeviceIn(shell.parse(deviceInConfig));
            },
            {
                plain: {
                    outputs: ["value", "method"],
                    listen: (device, send) => {
                        device.on("value", (message) => send("value", message));
                        device.on("method", (message) => send("method", message));
                    },
                },
            },
        );
    }
    RED.nodes.registerType("kubeedge-device-in", DeviceInNode);
}
