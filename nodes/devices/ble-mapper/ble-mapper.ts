// SPDX-License-Identifier: Apache-2.0
import type { BleMapperConfig } from "../../../src/edge/mappers/ble/index.ts";
import { attachComponent } from "../../shell/component-node.ts";
import type { NodeDef, NodeRed, RedNode } from "../../shell/red.ts";

export default function (RED: NodeRed): void {
    function BleMapperNode(this: RedNode, def: NodeDef): void {
        RED.nodes.createNode(this, def);
        attachComponent(RED, this, def, async (shell) => {
            const { BleMapper, BluezCentral, bleMapperConfig } = await import("../../../src/edge/mappers/ble/index.ts");
            const config = shell.parse<BleMapperConfig>(bleMapperConfig);
            return new BleMapper(config, {
                ...shell.ports,
                central: new BluezCentral(shell.ports.clock, config.busAddress),
            });
        });
    }
    RED.nodes.registerType("kubeedge-ble-mapper", BleMapperNode);
}
