// SPDX-License-Identifier: Apache-2.0
import { attachComponent } from "../../shell/component-node.ts";
import { cloudIdentity, cluster } from "../../shell/parts.ts";
import type { NodeDef, NodeRed, RedNode } from "../../shell/red.ts";

export default function (RED: NodeRed): void {
    function RouterNode(this: RedNode, def: NodeDef): void {
        RED.nodes.createNode(this, def);
        attachComponent(RED, this, def, async (shell) => {
            const { Router, routerConfig } = await import("../../../src/cloud/router/index.ts");
            return new Router(shell.parse(routerConfig), {
                ...shell.ports,
                identity: await shell.use(cloudIdentity, "identity"),
                cluster: await shell.use(cluster, "cluster"),
            });
        });
    }
    RED.nodes.registerType("kubeedge-router", RouterNode);
}
