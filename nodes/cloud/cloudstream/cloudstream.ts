// SPDX-License-Identifier: Apache-2.0
import { cloudIdentity, cluster } from "../../shell/parts.ts";
import type { NodeDef, NodeRed, RedNode } from "../../shell/red.ts";
import { attachService } from "../../shell/service-node.ts";

export default function (RED: NodeRed): void {
    function CloudStreamNode(this: RedNode, def: NodeDef): void {
        RED.nodes.createNode(this, def);
        attachService(RED, this, def, async (shell) => {
            const { CloudStream, cloudStreamConfig } = await import("../../../src/cloud/cloudstream/index.ts");
            return new CloudStream(shell.parse(cloudStreamConfig), {
                ...shell.ports,
                identity: await shell.use(cloudIdentity, "identity"),
                cluster: await shell.use(cluster, "cluster"),
            });
        });
    }
    RED.nodes.registerType("kubeedge-cloudstream", CloudStreamNode);
}
