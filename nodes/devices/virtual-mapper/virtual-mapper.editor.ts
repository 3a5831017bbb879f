// SPDX-License-Identifier: Apache-2.0
RED.nodes.registerType("kubeedge-virtual-mapper", {
    category: "KubeEdge devices",
    color: "#DEB887",
    icon: "kubeedge-virtual-mapper.svg",
    inputs: 1,
    outputs: 1,
    defaults: {
        name: { value: "" },
        version: { value: 1 },
        protocol: { value: "" },
    },
    label() {
        return this.name || "virtual mapper";
    },
    labelStyle() {
        return this.name ? "node_label_italic" : "";
    },
    paletteLabel: "virtual mapper",
    inputLabels() {
        return this._("kubeedge-virtual-mapper.input");
    },
    outputLabels() {
        return this._("kubeedge-virtual-mapper.output.devicetwin");
    },
});
