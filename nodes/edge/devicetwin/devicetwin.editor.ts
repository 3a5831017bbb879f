// SPDX-License-Identifier: Apache-2.0
import { integer, oneOf } from "../../shell/editor/fields.ts";

RED.nodes.registerType("kubeedge-devicetwin", {
    category: "KubeEdge edge",
    color: "#87A980",
    icon: "kubeedge-devicetwin.svg",
    inputs: 1,
    outputs: 3,
    defaults: {
        name: { value: "" },
        version: { value: 1 },
        identity: { value: "", type: "kubeedge-identity", required: true },
        store: { value: "", type: "kubeedge-store", required: true },
        offlinePolicy: { value: "", validate: oneOf("newest", "all") },
        keptReports: { value: "", validate: integer(0, 100000000) },
        historyLength: { value: "", validate: integer(0, 1000000) },
        refreshMs: { value: "", validate: integer(0, 86400000) },
        oneSegmentIds: { value: false },
    },
    label() {
        return this.name || "device twin";
    },
    labelStyle() {
        return this.name ? "node_label_italic" : "";
    },
    paletteLabel: "device twin",
    inputLabels() {
        return this._("kubeedge-devicetwin.input");
    },
    outputLabels(index) {
        return this._(`kubeedge-devicetwin.output.${["edgehub", "eventbus", "mappers"][index]}`);
    },
});
