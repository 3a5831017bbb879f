// SPDX-License-Identifier: Apache-2.0
import type { RouteInConfig } from "../../../src/cloud/router/drawn/index.ts";
import { attachComponent } from "../../shell/component-node.ts";
import { cloudIdentity, cluster } from "../../shell/parts.ts";
import type { NodeDef, NodeRed, RedNode } from "../../shell/red.ts";

export default function (RED: NodeRed): void {
    function RouteInNode(this: RedNode, def: NodeDef): void {
        RED.nodes.createNode(this, def);
        attachComponent(
            RED,
            this,
            def,
            async (shell) => {
                const { RouteIn, routeInConfig } = await import("../../../src/cloud/router/drawn/index.ts");
                const config = shell.parse<RouteInConfig>(routeInConfig);
                const rest =
                    config.from === "rest"
                        ? {
                              identity: await shell.use(cloudIdentity, "identity"),
                              cluster: await shell.use(cluster, "cluster"),
                          }
                        : undefined;
                return new RouteIn(config, { ...shell.ports, rest });
            },
            {
                plain: {
                    outputs: ["message"],
                    take: (route, message) => route.answer(message),
                    listen: (route, send) => route.on("message", (message) => send("message", { ...message })),
                },
            },
        );
    }
    RED.nodes.registerType("kubeedge-route-in", RouteInNode);
}
