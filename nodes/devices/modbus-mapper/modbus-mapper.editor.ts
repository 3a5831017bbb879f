// SPDX-License-Identifier: Apache-2.0
import { integer } from "../../shell/editor/fields.ts";

RED.nodes.registerType("kubeedge-modbus-mapper", {
    category: "KubeEdge devices",
    color: "#DEB887",
    icon: "kubeedge-modbus-mapper.svg",
    inputs: 1,
    outputs: 4,
    defaults: {
        name: { value: "" },
        version: { value: 1 },
        protocol: { value: "" },
        lanes: { value: "", validate: integer(0, 64) },
    },
    label() {
        return this.name || "modbus mapper";
    },
    labelStyle() {
        return this.name ? "node_label_italic" : "";
    },
    paletteLabel: "modbus mapper",
    inputLabels() {
        return this._("kubeedge-modbus-mapper.input");
    },
    outputLabels(index) {
        return this._(`kubeedge-modbus-mapper.output.${["devicetwin", "connect", "read", "write"][index]}`);
    },
});
