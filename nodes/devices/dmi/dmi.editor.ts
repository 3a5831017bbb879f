// SPDX-License-Identifier: Apache-2.0
import { integer } from "../../shell/editor/fields.ts";

RED.nodes.registerType("kubeedge-dmi", {
    category: "KubeEdge devices",
    color: "#DEB887",
    icon: "kubeedge-dmi.svg",
    inputs: 1,
    outputs: 1,
    defaults: {
        name: { value: "" },
        version: { value: 1 },
        store: { value: "", type: "kubeedge-store", required: true },
        socketPath: { value: "" },
        livenessMs: { value: "", validate: integer(10, 3600000) },
    },
    label() {
        return this.name || "kubeedge mappers";
    },
    labelStyle() {
        return this.name ? "node_label_italic" : "";
    },
    paletteLabel: "kubeedge mappers",
    inputLabels() {
        return this._("kubeedge-dmi.input");
    },
    outputLabels() {
        return this._("kubeedge-dmi.output.devicetwin");
    },
});
