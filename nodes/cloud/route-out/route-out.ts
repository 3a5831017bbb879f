// SPDX-License-Identifier: Apache-2.0
import { attachComponent } from "../../shell/component-node.ts";
import type { NodeDef, NodeRed, RedNode } from "../../shell/red.ts";

export default function (RED: NodeRed): void {
    function RouteOutNode(this: RedNode, def: NodeDef): void {
        RED.nodes.createNode(this, def);
        attachComponent(
            RED,
            this,
            def,
            async (shell) => {
                const { RouteOut, routeOutConfig } = await import("../../../src/cloud/router/drawn/index.ts");
                return new RouteOut(shell.parse(routeOutConfig), shell.ports);
            },
            {
                plain: {
                    outputs: ["answer"],
                    take: (route, message) => route.carry(message),
                    listen: (route, send) => route.on("answer", (message) => send("answer", { ...message })),
                },
            },
        );
    }
    RED.nodes.registerType("kubeedge-route-out", RouteOutNode);
}
