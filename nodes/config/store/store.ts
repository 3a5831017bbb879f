// SPDX-License-Identifier: Apache-2.0
import { join } from "node:path";
import { attachPart } from "../../shell/config-node.ts";
import { deferTo } from "../../shell/core-palette.ts";
import type { NodeDef, NodeRed, RedNode } from "../../shell/red.ts";
import { type StoreNodeConfig, storeNodeConfig } from "./schema.ts";

export default function (RED: NodeRed): void {
    deferTo(RED);
    function StoreNode(this: RedNode, def: NodeDef): void {
        RED.nodes.createNode(this, def);
        attachPart(RED, this, def, async (shell) => {
            const { openStore } = await import("../../../src/store/open-store.ts");
            const { engine, folder, keyFile } = shell.parse<StoreNodeConfig>(storeNodeConfig);
            const path = join(shell.dataDir(folder), `redge.${engine}`);
            // A flow file carries no secrets: shipped flows leave keys to the environment.
            const key = this.credentials?.["key"] || process.env["REDGE_STORE_KEY"];
            const previousKey = this.credentials?.["previousKey"] || process.env["REDGE_STORE_KEY_PREVIOUS"];
            const keys = { ...(key && { key }), ...(previousKey && { previousKey }), ...(keyFile && { keyFile }) };
            const store = await openStore({ engine, path, ...keys }, shell.ports);
            return { value: store, close: () => store.close() };
        });
    }
    const credentials = { key: { type: "password" }, previousKey: { type: "password" } } as const;
    RED.nodes.registerType("kubeedge-store", StoreNode, { credentials });
}
