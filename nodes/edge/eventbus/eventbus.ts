// SPDX-License-Identifier: Apache-2.0
import { attachComponent } from "../../shell/component-node.ts";
import { edgeIdentity, store } from "../../shell/parts.ts";
import type { NodeDef, NodeRed, RedNode } from "../../shell/red.ts";

export default function (RED: NodeRed): void {
    function EventBusNode(this: RedNode, def: NodeDef): void {
        RED.nodes.createNode(this, def);
        attachComponent(RED, this, def, async (shell) => {
            const { EventBus, eventBusConfig } = await import("../../../src/edge/eventbus/index.ts");
            const { nodeName } = await shell.use(edgeIdentity, "identity");
            const { password, users } = this.credentials ?? {};
            return new EventBus(shell.parse(eventBusConfig, { nodeName, password, users }), {
                ...shell.ports,
                store: await shell.use(store, "store"),
            });
        });
    }
    RED.nodes.registerType("kubeedge-eventbus", EventBusNode, {
        credentials: { password: { type: "password" }, users: { type: "password" } },
    });
}
