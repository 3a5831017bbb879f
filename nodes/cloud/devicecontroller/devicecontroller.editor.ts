// SPDX-License-Identifier: Apache-2.0
import { integer, oneOf } from "../../shell/editor/fields.ts";

RED.nodes.registerType("kubeedge-devicecontroller", {
    category: "KubeEdge cloud",
    color: "#A6BBCF",
    icon: "kubeedge-devicecontroller.svg",
    inputs: 1,
    outputs: 1,
    defaults: {
        name: { value: "" },
        version: { value: 1 },
        cluster: { value: "", type: "kubeedge-cluster", required: true },
        authorization: { value: "", validate: oneOf("node", "kubeedge") },
        statusIntervalMs: { value: "", validate: integer(0, 86400000) },
    },
    label() {
        return this.name || "device controller";
    },
    labelStyle() {
        return this.name ? "node_label_italic" : "";
    },
    paletteLabel: "device controller",
    inputLabels() {
        return this._("kubeedge-devicecontroller.input");
    },
    outputLabels(index) {
        return this._(`kubeedge-devicecontroller.output.${["cloudhub"][index]}`);
    },
});
