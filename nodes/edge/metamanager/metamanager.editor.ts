// SPDX-License-Identifier: Apache-2.0
import { integer, port } from "../../shell/editor/fields.ts";

RED.nodes.registerType("kubeedge-metamanager", {
    category: "KubeEdge edge",
    color: "#87A980",
    icon: "kubeedge-metamanager.svg",
    inputs: 1,
    outputs: 2,
    defaults: {
        name: { value: "" },
        version: { value: 1 },
        store: { value: "", type: "kubeedge-store", required: true },
        remoteQueryTimeoutSeconds: { value: "", validate: integer(1, 600) },
        metaServerPort: { value: "", validate: port },
        folder: { value: "" },
    },
    label() {
        return this.name || "meta manager";
    },
    labelStyle() {
        return this.name ? "node_label_italic" : "";
    },
    paletteLabel: "meta manager",
    inputLabels() {
        return this._("kubeedge-metamanager.input");
    },
    outputLabels(index) {
        return this._(`kubeedge-metamanager.output.${["edged", "edgehub"][index]}`);
    },
});
