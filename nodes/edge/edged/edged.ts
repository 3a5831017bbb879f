// SPDX-License-Identifier: Apache-2.0
import { join } from "node:path";
import { attachComponent } from "../../shell/component-node.ts";
import { kubeletAddress } from "../../shell/kubelet-address.ts";
import { containerRuntimes, edgeIdentity, store } from "../../shell/parts.ts";
import type { NodeDef, NodeRed, RedNode } from "../../shell/red.ts";
import { createFlowHost } from "./flow-host.ts";
import { IsolatedFlowHost } from "./isolated-host.ts";

export default function (RED: NodeRed): void {
    function EdgedNode(this: RedNode, def: NodeDef): void {
        RED.nodes.createNode(this, def);
        attachComponent(RED, this, def, async (shell) => {
            const { Edged, edgedConfig, FlowRuntime } = await import("../../../src/edge/edged/index.ts");
            const { nodeName } = await shell.use(edgeIdentity, "identity");
            const dataDir = shell.dataDir(shell.text("folder"));
            const extra = { nodeName, rootDir: join(dataDir, "edged"), kubelet: kubeletAddress(dataDir) };
            const ports = { ...shell.ports, store: await shell.use(store, "store") };
            const host = createFlowHost(RED, this.id, shell.ports);
            const isolated = new IsolatedFlowHost(
                {
                    dir: join(extra.rootDir, "isolated"),
                    modulesDir: join(extra.rootDir, "modules"),
                    paletteDir: RED.settings.userDir,
                    child: join(__dirname, "isolated-child.js"),
                },
                shell.ports,
            );
            const logDir = join(extra.rootDir, "logs");
            const flows = [host, isolated].map((each) => new FlowRuntime({ ...ports, host: each, logDir }));
            const { runtimes, onFound } = await shell.use(containerRuntimes, "runtime");
            return new Edged(shell.parse(edgedConfig, extra), {
                ...ports,
                runtimes: [...flows, ...runtimes],
                onRuntime: onFound,
            });
        });
    }
    RED.nodes.registerType("kubeedge-edged", EdgedNode);
}
