// SPDX-License-Identifier: Apache-2.0
import { join } from "node:path";
import { attachPart } from "../../shell/config-node.ts";
import type { NodeDef, NodeRed, RedNode } from "../../shell/red.ts";
import { type StoreNodeConfig, storeNodeConfig } from "./schema.ts";

export default function (RED: NodeRed): void {
    function StoreNode(this: RedNode, def: NodeDef): void {
        RED.nodes.createNode(this, def);
        attachPart(RED, this, def, async (shell) => {
            const { openStore } = await import("../../../src/store/open-store.ts");
            const { engine, folder } = shell.parse<StoreNodeConfig>(storeNodeConfig);
            const store = await openStore(
                { engine, path: join(shell.dataDir(folder), `redge.${engine}`) },
                shell.ports,
            );
            return { value: store, close: () => store.close() };
        });
    }
    RED.nodes.registerType("kubeedge-store", StoreNode);
}
