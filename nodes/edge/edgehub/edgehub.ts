// SPDX-License-Identifier: Apache-2.0
import { attachComponent } from "../../shell/component-node.ts";
import { edgeIdentity, store } from "../../shell/parts.ts";
import type { NodeDef, NodeRed, RedNode } from "../../shell/red.ts";

export default function (RED: NodeRed): void {
    function EdgeHubNode(this: RedNode, def: NodeDef): void {
        RED.nodes.createNode(this, def);
        attachComponent(RED, this, def, async (shell) => {
            const { EdgeHub, edgeHubConfig } = await import("../../../src/edge/edgehub/index.ts");
            return new EdgeHub(shell.parse(edgeHubConfig), {
                ...shell.ports,
                identity: await shell.use(edgeIdentity, "identity"),
                store: await shell.useAlone(store, "store"),
            });
        });
    }
    RED.nodes.registerType("kubeedge-edgehub", EdgeHubNode);
}
