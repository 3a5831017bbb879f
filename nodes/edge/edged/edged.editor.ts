// SPDX-License-Identifier: Apache-2.0
import { integer } from "../../shell/editor/fields.ts";

RED.nodes.registerType("kubeedge-edged", {
    category: "KubeEdge edge",
    color: "#87A980",
    icon: "kubeedge-edged.svg",
    inputs: 1,
    outputs: 2,
    defaults: {
        name: { value: "" },
        version: { value: 1 },
        identity: { value: "", type: "kubeedge-identity", required: true },
        store: { value: "", type: "kubeedge-store", required: true },
        runtime: { value: "", type: "kubeedge-container-runtime", required: true },
        labels: { value: "" },
        taints: { value: "" },
        maxPods: { value: "", validate: integer(1, 1000) },
        evictionHard: { value: "" },
        evictionSoft: { value: "" },
        evictionSoftGracePeriod: { value: "" },
        imageGCHighThresholdPercent: { value: "", validate: integer(0, 100) },
        imageGCLowThresholdPercent: { value: "", validate: integer(0, 100) },
        folder: { value: "" },
    },
    label() {
        return this.name || "edged";
    },
    labelStyle() {
        return this.name ? "node_label_italic" : "";
    },
    paletteLabel: "edged",
    inputLabels() {
        return this._("kubeedge-edged.input");
    },
    outputLabels(index) {
        return this._(`kubeedge-edged.output.${["metamanager", "events"][index]}`);
    },
});
