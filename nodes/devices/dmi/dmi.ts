// SPDX-License-Identifier: Apache-2.0
import { attachComponent } from "../../shell/component-node.ts";
import { store } from "../../shell/parts.ts";
import type { NodeDef, NodeRed, RedNode } from "../../shell/red.ts";

export default function (RED: NodeRed): void {
    function DmiNode(this: RedNode, def: NodeDef): void {
        RED.nodes.createNode(this, def);
        attachComponent(RED, this, def, async (shell) => {
            const { DmiServer, dmiConfig } = await import("../../../src/edge/mappers/dmi/index.ts");
            return new DmiServer(shell.parse(dmiConfig), {
                ...shell.ports,
                store: await shell.use(store, "store"),
            });
        });
    }
    RED.nodes.registerType("kubeedge-dmi", DmiNode);
}
