// SPDX-License-Identifier: Apache-2.0
RED.nodes.registerType("kubeedge-mqtt-mapper", {
    category: "KubeEdge devices",
    color: "#DEB887",
    icon: "kubeedge-mqtt-mapper.svg",
    inputs: 1,
    outputs: 3,
    defaults: {
        name: { value: "" },
        version: { value: 1 },
        protocol: { value: "" },
    },
    label() {
        return this.name || "mqtt mapper";
    },
    labelStyle() {
        return this.name ? "node_label_italic" : "";
    },
    paletteLabel: "mqtt mapper",
    inputLabels() {
        return this._("kubeedge-mqtt-mapper.input");
    },
    outputLabels(index) {
        return this._(`kubeedge-mqtt-mapper.output.${["devicetwin", "subscribe", "publish"][index]}`);
    },
});
