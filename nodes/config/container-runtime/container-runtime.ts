// SPDX-License-Identifier: Apache-2.0
import type { PodRuntime } from "../../../src/edge/edged/index.ts";
import { attachPart } from "../../shell/config-node.ts";
import type { NodeDef, NodeRed, RedNode } from "../../shell/red.ts";
import { type ContainerRuntimeNodeConfig, containerRuntimeNodeConfig } from "./schema.ts";

export default function (RED: NodeRed): void {
    function ContainerRuntimeNode(this: RedNode, def: NodeDef): void {
        RED.nodes.createNode(this, def);
        attachPart<readonly PodRuntime[]>(RED, this, def, async (shell) => {
            shell.parse<ContainerRuntimeNodeConfig>(containerRuntimeNodeConfig);
            return { value: [], close: async () => {} };
        });
    }
    RED.nodes.registerType("kubeedge-container-runtime", ContainerRuntimeNode);
}
