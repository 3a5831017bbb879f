// SPDX-License-Identifier: Apache-2.0
import { join } from "node:path";
import type { ContainerRuntimes } from "../../../src/edge/edged/runtimes/containers.ts";
import { attachPart } from "../../shell/config-node.ts";
import { store } from "../../shell/parts.ts";
import type { NodeDef, NodeRed, RedNode } from "../../shell/red.ts";
import { type ContainerRuntimeNodeConfig, containerRuntimeNodeConfig } from "./schema.ts";

export default function (RED: NodeRed): void {
    function ContainerRuntimeNode(this: RedNode, def: NodeDef): void {
        RED.nodes.createNode(this, def);
        attachPart<ContainerRuntimes>(RED, this, def, async (shell) => {
            const { openContainerRuntimes } = await import("../../../src/edge/edged/runtimes/containers.ts");
            const { engine, socket, folder } = shell.parse<ContainerRuntimeNodeConfig>(containerRuntimeNodeConfig);
            const logDir = join(shell.dataDir(folder), "edged", "logs");
            const options = { engine, socket, logDir, store: await shell.use(store, "store") };
            const value = await openContainerRuntimes(options, shell.ports);
            return { value, close: value.close };
        });
    }
    RED.nodes.registerType("kubeedge-container-runtime", ContainerRuntimeNode);
}
