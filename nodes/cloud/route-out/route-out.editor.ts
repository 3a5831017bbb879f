// SPDX-License-Identifier: Apache-2.0
import { integer, oneOf, showRowsThatApply, url } from "../../shell/editor/fields.ts";

RED.nodes.registerType("kubeedge-route-out", {
    category: "KubeEdge cloud",
    color: "#A6BBCF",
    icon: "kubeedge-route-out.svg",
    inputs: 1,
    outputs: 2,
    defaults: {
        name: { value: "" },
        version: { value: 1 },
        to: { value: "", validate: oneOf("eventbus", "servicebus", "rest") },
        edgeNode: { value: "" },
        mqttTopic: { value: "" },
        servicePort: { value: "", validate: integer(1, 65535) },
        servicePath: { value: "" },
        url: { value: "", validate: url("http", "https") },
        timeoutMs: { value: "", validate: integer(100, 86400000) },
    },
    label() {
        return this.name || "route out";
    },
    labelStyle() {
        return this.name ? "node_label_italic" : "";
    },
    paletteLabel: "route out",
    inputLabels() {
        return this._("kubeedge-route-out.input");
    },
    outputLabels(index) {
        return this._(`kubeedge-route-out.output.${["cloudhub", "answer"][index]}`);
    },
    oneditprepare() {
        showRowsThatApply("node-input");
    },
});
