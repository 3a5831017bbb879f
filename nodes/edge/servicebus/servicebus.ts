// SPDX-License-Identifier: Apache-2.0
import { attachComponent } from "../../shell/component-node.ts";
import { store } from "../../shell/parts.ts";
import type { NodeDef, NodeRed, RedNode } from "../../shell/red.ts";

export default function (RED: NodeRed): void {
    function ServiceBusNode(this: RedNode, def: NodeDef): void {
        RED.nodes.createNode(this, def);
        attachComponent(RED, this, def, async (shell) => {
            const { ServiceBus, serviceBusConfig } = await import("../../../src/edge/servicebus/index.ts");
            return new ServiceBus(shell.parse(serviceBusConfig), {
                ...shell.ports,
                store: await shell.use(store, "store"),
            });
        });
    }
    RED.nodes.registerType("kubeedge-servicebus", ServiceBusNode);
}
