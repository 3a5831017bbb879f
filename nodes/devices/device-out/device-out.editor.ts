// SPDX-License-Identifier: Apache-2.0
import { offerDevices } from "../../shell/editor/devices.ts";

RED.nodes.registerType("kubeedge-device-out", {
    category: "KubeEdge devices",
    color: "#DEB887",
    icon: "kubeedge-device-out.svg",
    inputs: 1,
    outputs: 1,
    defaults: {
        name: { value: "" },
        version: { value: 1 },
        device: { value: "" },
        property: { value: "" },
    },
    label() {
        return this.name || "device out";
    },
    labelStyle() {
        return this.name ? "node_label_italic" : "";
    },
    paletteLabel: "device out",
    oneditprepare: offerDevices,
    inputLabels() {
        return this._("kubeedge-device-out.input");
    },
    outputLabels(index) {
        return this._(`kubeedge-device-out.output.${["devicetwin"][index]}`);
    },
});
