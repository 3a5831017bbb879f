// SPDX-License-Identifier: Apache-2.0
import { oneOf, port } from "../../shell/editor/fields.ts";

RED.nodes.registerType("kubeedge-cloudstream", {
    category: "KubeEdge cloud",
    color: "#A6BBCF",
    icon: "kubeedge-cloudstream.svg",
    inputs: 0,
    outputs: 0,
    defaults: {
        name: { value: "" },
        version: { value: 1 },
        identity: { value: "", type: "kubeedge-identity", required: true },
        cluster: { value: "", type: "kubeedge-cluster", required: true },
        tunnelHost: { value: "" },
        tunnelPort: { value: "", validate: port },
        streamHost: { value: "" },
        streamPort: { value: "", validate: port },
        streamAddress: { value: "" },
        metricsApi: { value: "", validate: oneOf("off", "on") },
        authorization: { value: "", validate: oneOf("node", "kubeedge") },
    },
    label() {
        return this.name || "cloud stream";
    },
    labelStyle() {
        return this.name ? "node_label_italic" : "";
    },
    paletteLabel: "cloud stream",
});
