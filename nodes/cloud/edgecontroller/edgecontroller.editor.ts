// SPDX-License-Identifier: Apache-2.0
import { integer, oneOf } from "../../shell/editor/fields.ts";

RED.nodes.registerType("kubeedge-edgecontroller", {
    category: "KubeEdge cloud",
    color: "#A6BBCF",
    icon: "kubeedge-edgecontroller.svg",
    inputs: 1,
    outputs: 1,
    defaults: {
        name: { value: "" },
        version: { value: 1 },
        cluster: { value: "", type: "kubeedge-cluster", required: true },
        authorization: { value: "", validate: oneOf("node", "kubeedge") },
        cloudAddress: { value: "" },
        streamAddress: { value: "" },
        unusedGraceMs: { value: "", validate: integer(0, 86400000) },
    },
    label() {
        return this.name || "edge controller";
    },
    labelStyle() {
        return this.name ? "node_label_italic" : "";
    },
    paletteLabel: "edge controller",
    inputLabels() {
        return this._("kubeedge-edgecontroller.input");
    },
    outputLabels(index) {
        return this._(`kubeedge-edgecontroller.output.${["cloudhub"][index]}`);
    },
});
