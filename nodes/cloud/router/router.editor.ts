// SPDX-License-Identifier: Apache-2.0
import { integer, oneOf, port } from "../../shell/editor/fields.ts";

RED.nodes.registerType("kubeedge-router", {
    category: "KubeEdge cloud",
    color: "#A6BBCF",
    icon: "kubeedge-router.svg",
    inputs: 1,
    outputs: 1,
    defaults: {
        name: { value: "" },
        version: { value: 1 },
        identity: { value: "", type: "kubeedge-identity", required: true },
        cluster: { value: "", type: "kubeedge-cluster", required: true },
        host: { value: "" },
        port: { value: "", validate: port },
        tls: { value: true },
        authorization: { value: "", validate: oneOf("kubernetes", "none") },
        restTimeoutMs: { value: "", validate: integer(100, 86400000) },
    },
    label() {
        return this.name || "router";
    },
    labelStyle() {
        return this.name ? "node_label_italic" : "";
    },
    paletteLabel: "router",
    inputLabels() {
        return this._("kubeedge-router.input");
    },
    outputLabels(index) {
        return this._(`kubeedge-router.output.${["cloudhub"][index]}`);
    },
});
