// SPDX-License-Identifier: Apache-2.0
import { attachComponent } from "../../shell/component-node.ts";
import { edgeIdentity, store } from "../../shell/parts.ts";
import type { NodeDef, NodeRed, RedNode } from "../../shell/red.ts";

export default function (RED: NodeRed): void {
    function DeviceTwinNode(this: RedNode, def: NodeDef): void {
        RED.nodes.createNode(this, def);
        attachComponent(RED, this, def, async (shell) => {
            const { DeviceTwin, deviceTwinConfig } = await import("../../../src/edge/devicetwin/index.ts");
            const { nodeName } = await shell.use(edgeIdentity, "identity");
            return new DeviceTwin(shell.parse(deviceTwinConfig, { nodeName }), {
                ...shell.ports,
                store: await shell.use(store, "store"),
            });
        });
    }
    RED.nodes.registerType("kubeedge-devicetwin", DeviceTwinNode);
}
