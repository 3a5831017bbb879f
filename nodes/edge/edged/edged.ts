// SPDX-License-Identifier: Apache-2.0
import { join } from "node:path";
import { attachComponent } from "../../shell/component-node.ts";
import { containerRuntimes, edgeIdentity, store } from "../../shell/parts.ts";
import type { NodeDef, NodeRed, RedNode } from "../../shell/red.ts";

export default function (RED: NodeRed): void {
    function EdgedNode(this: RedNode, def: NodeDef): void {
        RED.nodes.createNode(this, def);
        attachComponent(RED, this, def, async (shell) => {
            const { Edged, edgedConfig } = await import("../../../src/edge/edged/index.ts");
            const { nodeName } = await shell.use(edgeIdentity, "identity");
            const rootDir = join(shell.dataDir(shell.text("folder")), "edged");
            return new Edged(shell.parse(edgedConfig, { nodeName, rootDir }), {
                ...shell.ports,
                store: await shell.use(store, "store"),
                runtimes: await shell.use(containerRuntimes, "runtime"),
            });
        });
    }
    RED.nodes.registerType("kubeedge-edged", EdgedNode);
}
