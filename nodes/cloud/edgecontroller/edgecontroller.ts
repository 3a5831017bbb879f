// SPDX-License-Identifier: Apache-2.0
import { attachComponent } from "../../shell/component-node.ts";
import { cluster } from "../../shell/parts.ts";
import type { NodeDef, NodeRed, RedNode } from "../../shell/red.ts";

export default function (RED: NodeRed): void {
    function EdgeControllerNode(this: RedNode, def: NodeDef): void {
        RED.nodes.createNode(this, def);
        attachComponent(RED, this, def, async (shell) => {
            const { EdgeController, edgeControllerConfig } = await import("../../../src/cloud/edgecontroller/index.ts");
            return new EdgeController(shell.parse(edgeControllerConfig), {
                ...shell.ports,
                cluster: await shell.use(cluster, "cluster"),
            });
        });
    }
    RED.nodes.registerType("kubeedge-edgecontroller", EdgeControllerNode);
}
