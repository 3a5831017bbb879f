// SPDX-License-Identifier: Apache-2.0
import type { ControlPlaneConfig } from "../../../src/cloud/controlplane/index.ts";
import { RedgeError } from "../../../src/core/errors/redge-error.ts";
import type { KubeClient } from "../../../src/kube/client/client.ts";
import { attachPart } from "../../shell/config-node.ts";
import { store } from "../../shell/parts.ts";
import type { NodeDef, NodeRed, RedNode } from "../../shell/red.ts";
import type { Opened } from "../../shell/shared-part.ts";
import type { NodeShell } from "../../shell/shell.ts";
import { type ClusterNodeConfig, clusterNodeConfig } from "./schema.ts";

export default function (RED: NodeRed): void {
    function ClusterNode(this: RedNode, def: NodeDef): void {
        RED.nodes.createNode(this, def);
        attachPart(RED, this, def, (shell) => {
            const config = shell.parse<ClusterNodeConfig>(clusterNodeConfig);
            return config.mode === "embedded" ? embedded(shell, config) : remote(shell, config);
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

/** The control plane inside this Node-RED, and a client that is its administrator. */
async function embedded(shell: NodeShell, { dataDir }: ClusterNodeConfig): Promise<Opened<KubeClient>> {
    const { ControlPlane, controlPlaneConfig } = await import("../../../src/cloud/controlplane/index.ts");
    const extra = { dataDir: shell.dataDir(dataDir), sans: shell.words("sans") };
    const config = shell.parse<ControlPlaneConfig>(controlPlaneConfig, extra);
    const controlPlane = new ControlPlane(config, { ...shell.ports, store: await shell.use(store, "store") });
    try {
        await controlPlane.start();
        const { client } = controlPlane;
        if (client === undefined)
            throw new RedgeError("REDGE_KUBE_UNREACHABLE", { server: controlPlane.url, reason: "it stopped" });
        return { value: client, close: () => controlPlane.stop() };
    } catch (thrown) {
        await controlPlane.stop();
        throw thrown;
    }
}
