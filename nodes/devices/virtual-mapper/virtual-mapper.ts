// SPDX-License-Identifier: Apache-2.0
import { attachComponent } from "../../shell/component-node.ts";
import type { NodeDef, NodeRed, RedNode } from "../../shell/red.ts";

export default function (RED: NodeRed): void {
    function VirtualMapperNode(this: RedNode, def: NodeDef): void {
        RED.nodes.createNode(this, def);
        attachComponent(RED, this, def, async (shell) => {
            const { VirtualMapper, virtualMapperConfig } = await import("../../../src/edge/mappers/virtual/index.ts");
            return new VirtualMapper(shell.parse(virtualMapperConfig), shell.ports);
        });
    }
    RED.nodes.registerType("kubeedge-virtual-mapper", VirtualMapperNode);
}
