// SPDX-License-Identifier: Apache-2.0
import { offerDevices } from "../../shell/editor/devices.ts";
import { integer } from "../../shell/editor/fields.ts";

RED.nodes.registerType("kubeedge-device-get", {
    category: "KubeEdge devices",
    color: "#DEB887",
    icon: "kubeedge-device-get.svg",
    inputs: 1,
    outputs: 2,
    defaults: {
        name: { value: "" },
        version: { value: 1 },
        device: { value: "" },
        property: { value: "" },
        timeoutMs: { value: "", validate: integer(10, 86400000) },
    },
    label() {
        return this.name || "device get";
    },
    labelStyle() {
        return this.name ? "node_label_italic" : "";
    },
    paletteLabel: "device get",
    oneditprepare: offerDevices,
    inputLabels() {
        return this._("kubeedge-device-get.input");
    },
    outputLabels(index) {
        return this._(`kubeedge-device-get.output.${["devicetwin", "value"][index]}`);
    },
});
