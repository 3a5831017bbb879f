// SPDX-License-Identifier: Apache-2.0
RED.nodes.registerType("kubeedge-opcua-mapper", {
    category: "KubeEdge devices",
    color: "#DEB887",
    icon: "kubeedge-opcua-mapper.svg",
    inputs: 1,
    outputs: 1,
    defaults: {
        name: { value: "" },
        version: { value: 1 },
        protocol: { value: "" },
        folder: { value: "" },
    },
    credentials: { user: { type: "text" }, password: { type: "password" } },
    label() {
        return this.name || "opc ua mapper";
    },
    labelStyle() {
        return this.name ? "node_label_italic" : "";
    },
    paletteLabel: "opc ua mapper",
    inputLabels() {
        return this._("kubeedge-opcua-mapper.input");
    },
    outputLabels() {
        return this._("kubeedge-opcua-mapper.output.devicetwin");
    },
});
