// SPDX-License-Identifier: Apache-2.0
RED.nodes.registerType("kubeedge-ble-mapper", {
    category: "KubeEdge devices",
    color: "#DEB887",
    icon: "kubeedge-ble-mapper.svg",
    inputs: 1,
    outputs: 1,
    defaults: {
        name: { value: "" },
        version: { value: 1 },
        protocol: { value: "" },
        busAddress: { value: "" },
    },
    label() {
        return this.name || "bluetooth mapper";
    },
    labelStyle() {
        return this.name ? "node_label_italic" : "";
    },
    paletteLabel: "bluetooth mapper",
    inputLabels() {
        return this._("kubeedge-ble-mapper.input");
    },
    outputLabels() {
        return this._("kubeedge-ble-mapper.output.devicetwin");
    },
});
