// SPDX-License-Identifier: Apache-2.0
import { join } from "node:path";
import { attachComponent } from "../../shell/component-node.ts";
import type { NodeDef, NodeRed, RedNode } from "../../shell/red.ts";

export default function (RED: NodeRed): void {
    function OpcuaMapperNode(this: RedNode, def: NodeDef): void {
        RED.nodes.createNode(this, def);
        attachComponent(RED, this, def, async (shell) => {
            const { NodeOpcuaDialer, OpcuaMapper, opcuaMapperConfig } = await import(
                "../../../src/edge/mappers/opcua/index.ts"
            );
            const { user, password } = this.credentials ?? {};
            const folder = shell.text("folder") ?? join(shell.dataDir(undefined), "opcua");
            const dialer = new NodeOpcuaDialer(folder, shell.ports.log);
            return new OpcuaMapper(shell.parse(opcuaMapperConfig, { user, password }), { ...shell.ports, dialer });
        });
    }
    RED.nodes.registerType("kubeedge-opcua-mapper", OpcuaMapperNode, {
        credentials: { user: { type: "text" }, password: { type: "password" } },
    });
}
