// SPDX-License-Identifier: Apache-2.0
import { integer, oneOf, url } from "../../shell/editor/fields.ts";

RED.nodes.registerType("kubeedge-edgehub", {
    category: "KubeEdge edge",
    color: "#87A980",
    icon: "kubeedge-edgehub.svg",
    inputs: 1,
    outputs: 4,
    defaults: {
        name: { value: "" },
        version: { value: 1 },
        identity: { value: "", type: "kubeedge-identity", required: true },
        store: { value: "", type: "kubeedge-store", required: true },
        url: { value: "", validate: url("wss") },
        transport: { value: "", validate: oneOf("websocket", "quic") },
        quicPort: { value: "", validate: integer(1, 65535) },
        proxy: { value: "", validate: url("http") },
        requestTimeoutMs: { value: "", validate: integer(100, 86400000) },
        outboxMaxBytes: { value: "", validate: integer(4096, 1099511627776) },
        outboxMaxAgeHours: { value: "", validate: integer(1, 87600) },
    },
    label() {
        return this.name || "edge hub";
    },
    labelStyle() {
        return this.name ? "node_label_italic" : "";
    },
    paletteLabel: "edge hub",
    inputLabels() {
        return this._("kubeedge-edgehub.input");
    },
    outputLabels(index) {
        return this._(`kubeedge-edgehub.output.${["resources", "devices", "user", "link"][index]}`);
    },
});
