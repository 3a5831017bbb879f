// SPDX-License-Identifier: Apache-2.0
import { integer, oneOf, port } from "../../shell/editor/fields.ts";

RED.nodes.registerType("kubeedge-cloudhub", {
    category: "KubeEdge cloud",
    color: "#A6BBCF",
    icon: "kubeedge-cloudhub.svg",
    inputs: 1,
    outputs: 4,
    defaults: {
        name: { value: "" },
        version: { value: 1 },
        identity: { value: "", type: "kubeedge-identity", required: true },
        cluster: { value: "", type: "kubeedge-cluster", required: true },
        host: { value: "" },
        websocketPort: { value: "", validate: port },
        httpsPort: { value: "", validate: port },
        singlePort: { value: false },
        quic: { value: "", validate: oneOf("off", "on") },
        quicPort: { value: "", validate: port },
        nodeLimit: { value: "", validate: integer(1, 1000000) },
        keepaliveIntervalMs: { value: "", validate: integer(1000, 86400000) },
        authorization: { value: "", validate: oneOf("node", "kubeedge") },
    },
    label() {
        return this.name || "cloud hub";
    },
    labelStyle() {
        return this.name ? "node_label_italic" : "";
    },
    paletteLabel: "cloud hub",
    inputLabels() {
        return this._("kubeedge-cloudhub.input");
    },
    outputLabels(index) {
        return this._(`kubeedge-cloudhub.output.${["resources", "devices", "user", "nodes"][index]}`);
    },
});
