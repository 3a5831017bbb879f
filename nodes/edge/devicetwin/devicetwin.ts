// SPDX-License-Identifier: Apache-2.0
import type { DeviceTwin } from "../../../src/edge/devicetwin/index.ts";
import { attachComponent } from "../../shell/component-node.ts";
import { edgeIdentity, store } from "../../shell/parts.ts";
import type { NodeDef, NodeRed, RedNode } from "../../shell/red.ts";
import { offerDevices } from "./offered-devices.ts";

export default function (RED: NodeRed): void {
    const twins = new Map<RedNode, DeviceTwin>();
    offerDevices(RED, twins);

    function DeviceTwinNode(this: RedNode, def: NodeDef): void {
        RED.nodes.createNode(this, def);
        attachComponent(RED, this, def, async (shell) => {
            const { DeviceTwin, deviceTwinConfig } = await import("../../../src/edge/devicetwin/index.ts");
            const { nodeName } = await shell.use(edgeIdentity, "identity");
            const twin = new DeviceTwin(shell.parse(deviceTwinConfig, { nodeName }), {
                ...shell.ports,
                store: await shell.useAlone(store, "store"),
            });
            twins.set(this, twin);
            return twin;
        });
        this.on("close", (_removed, done) => {
            twins.delete(this);
            done();
        });
    }
    RED.nodes.registerType("kubeedge-devicetwin", DeviceTwinNode);
}
