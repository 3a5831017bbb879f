// SPDX-License-Identifier: Apache-2.0
import { offerDevices } from "../../shell/editor/devices.ts";

RED.nodes.registerType("kubeedge-device-in", {
    category: "KubeEdge devices",
    color: "#DEB887",
    icon: "kubeedge-device-in.svg",
    inputs: 1,
    outputs: 3,
    defaults: {
        name: { value: "" },
        version: { value: 1 },
        device: { value: "" },
        property: { value: "" },
        methods: { value: false },
    },
    label() {
        return this.name || "device in";
    },
    labelStyle() {
        return this.name ? "node_label_italic" : "";
    },
    paletteLabel: "device in",
    oneditprepare: offerDevices,
    inputLabels() {
        return this._("kubeedge-device-in.input");
    },
    outputLabels(index) {
        return this._(`kubeedge-device-in.output.${["devicetwin", "value", "method"][index]}`);
    },
});
