// SPDX-License-Identifier: Apache-2.0
import { kubeletAddress } from "../../shell/kubelet-address.ts";
import { edgeIdentity } from "../../shell/parts.ts";
import type { NodeDef, NodeRed, RedNode } from "../../shell/red.ts";
import { attachService } from "../../shell/service-node.ts";

export default function (RED: NodeRed): void {
    function EdgeStreamNode(this: RedNode, def: NodeDef): void {
        RED.nodes.createNode(this, def);
        attachService(RED, this, def, async (shell) => {
            const { EdgeStream, edgeStreamConfig } = await import("../../../src/edge/edgestream/index.ts");
            const kubelet = shell.text("kubelet") ?? kubeletAddress(shell.dataDir(shell.text("folder")));
            return new EdgeStream(shell.parse(edgeStreamConfig, { kubelet }), {
                ...shell.ports,
                identity: await shell.use(edgeIdentity, "identity"),
            });
        });
    }
    RED.nodes.registerType("kubeedge-edgestream", EdgeStreamNode);
}
