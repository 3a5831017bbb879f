// SPDX-License-Identifier: Apache-2.0
import { attachComponent } from "../../shell/component-node.ts";
import { cloudIdentity, cluster } from "../../shell/parts.ts";
import type { NodeDef, NodeRed, RedNode } from "../../shell/red.ts";

export default function (RED: NodeRed): void {
    function CloudHubNode(this: RedNode, def: NodeDef): void {
        RED.nodes.createNode(this, def);
        attachComponent(RED, this, def, async (shell) => {
            const { CloudHub, cloudHubConfig } = await import("../../../src/cloud/cloudhub/index.ts");
            return new CloudHub(shell.parse(cloudHubConfig), {
                ...shell.ports,
                identity: await shell.use(cloudIdentity, "identity"),
                cluster: await shell.use(cluster, "cluster"),
            });
        });
    }
    RED.nodes.registerType("kubeedge-cloudhub", CloudHubNode);
}
