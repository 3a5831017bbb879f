// SPDX-License-Identifier: Apache-2.0
import { join } from "node:path";
import { attachComponent } from "../../shell/component-node.ts";
import { kubeletAddress } from "../../shell/kubelet-address.ts";
import { store } from "../../shell/parts.ts";
import type { NodeDef, NodeRed, RedNode } from "../../shell/red.ts";

export default function (RED: NodeRed): void {
    function MetaManagerNode(this: RedNode, def: NodeDef): void {
        RED.nodes.createNode(this, def);
        attachComponent(RED, this, def, async (shell) => {
            const { metaManagerConfig } = await import("../../../src/edge/metamanager/index.ts");
            const { metaServerConfig, ServingMetaManager } = await import("../../../src/edge/metaserver/index.ts");
            const dataDir = shell.dataDir(shell.text("folder"));
            const serving = {
                folder: join(dataDir, "metaserver"),
                kubelet: kubeletAddress(dataDir),
                port: shell.text("metaServerPort"),
            };
            return new ServingMetaManager(shell.parse(metaManagerConfig), shell.parse(metaServerConfig, serving), {
                ...shell.ports,
                store: await shell.useAlone(store, "store"),
            });
        });
    }
    RED.nodes.registerType("kubeedge-metamanager", MetaManagerNode);
}
