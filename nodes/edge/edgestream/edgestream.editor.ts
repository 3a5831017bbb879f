// SPDX-License-Identifier: Apache-2.0
import { url } from "../../shell/editor/fields.ts";

RED.nodes.registerType("kubeedge-edgestream", {
    category: "KubeEdge edge",
    color: "#87A980",
    icon: "kubeedge-edgestream.svg",
    inputs: 0,
    outputs: 0,
    defaults: {
        name: { value: "" },
        version: { value: 1 },
        identity: { value: "", type: "kubeedge-identity", required: true },
        cloudUrl: { value: "", validate: url("wss") },
        proxy: { value: "", validate: url("http") },
        kubelet: { value: "" },
        folder: { value: "" },
    },
    label() {
        return this.name || "edge stream";
    },
    labelStyle() {
        return this.name ? "node_label_italic" : "";
    },
    paletteLabel: "edge stream",
});
