// SPDX-License-Identifier: Apache-2.0
import { integer, port } from "../../shell/editor/fields.ts";

RED.nodes.registerType("kubeedge-servicebus", {
    category: "KubeEdge edge",
    color: "#87A980",
    icon: "kubeedge-servicebus.svg",
    inputs: 1,
    outputs: 1,
    defaults: {
        name: { value: "" },
        version: { value: 1 },
        store: { value: "", type: "kubeedge-store", required: true },
        host: { value: "" },
        port: { value: "", validate: port },
        timeoutMs: { value: "", validate: integer(100, 86400000) },
        serviceTimeoutMs: { value: "", validate: integer(100, 86400000) },
    },
    label() {
        return this.name || "service bus";
    },
    labelStyle() {
        return this.name ? "node_label_italic" : "";
    },
    paletteLabel: "service bus",
    inputLabels() {
        return this._("kubeedge-servicebus.input");
    },
    outputLabels(index) {
        return this._(`kubeedge-servicebus.output.${["edgehub"][index]}`);
    },
});
