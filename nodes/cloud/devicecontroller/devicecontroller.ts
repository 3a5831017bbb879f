// SPDX-License-Identifier: Apache-2.0
import { attachComponent } from "../../shell/component-node.ts";
import { cluster } from "../../shell/parts.ts";
import type { NodeDef, NodeRed, RedNode } from "../../shell/red.ts";

export default function (RED: NodeRed): void {
    function DeviceControllerNode(this: RedNode, def: NodeDef): void {
        RED.nodes.createNode(this, def);
        attachComponent(RED, this, def, async (shell) => {
            const { DeviceController, deviceControllerConfig } = await import(
                "../../../src/cloud/devicecontroller/index.ts"
            );
            return new DeviceController(shell.parse(deviceControllerConfig), {
                ...shell.ports,
                cluster: await shell.use(cluster, "cluster"),
            });
        });
    }
    RED.nodes.registerType("kubeedge-devicecontroller", DeviceControllerNode);
}
