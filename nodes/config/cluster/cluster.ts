// SPDX-License-Identifier: Apache-2.0
import type { KubeClient } from "../../../src/kube/client/client.ts";
import { attachPart } from "../../shell/config-node.ts";
import type { NodeDef, NodeRed, RedNode } from "../../shell/red.ts";
import type { Opened } from "../../shell/shared-part.ts";
import type { NodeShell } from "../../shell/shell.ts";
import { type ClusterNodeConfig, clusterNodeConfig } from "./schema.ts";

export default function (RED: NodeRed): void {
    function ClusterNode(this: RedNode, def: NodeDef): void {
        RED.nodes.createNode(this, def);
        attachPart(RED, this, def, (shell) => {
            const config = shell.parse<ClusterNodeConfig>(clusterNodeConfig);
            return remote(shell, config);
        });
    }
    RED.nodes.registerType("kubeedge-cluster", ClusterNode);
}

/** A cluster that runs elsewhere. It is not asked anything here: its users say when it does not answer. */
async function remote(shell: NodeShell, config: ClusterNodeConfig): Promise<Opened<KubeClient>> {
    const { connectionFromKubeconfig, connectionInCluster } = await import("../../../src/kube/client/kubeconfig.ts");
    const { createKubeClient } = await import("../../../src/kube/client/https-client.ts");
    const connection =
        config.mode === "in-cluster"
            ? await connectionInCluster()
            : await connectionFromKubeconfig(config.kubeconfig, config.context);
    const client = createKubeClient(connection, shell.ports);
    return { value: client, close: () => client.close() };
}
