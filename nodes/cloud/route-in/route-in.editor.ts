// SPDX-License-Identifier: Apache-2.0
import { integer, kubernetesName, oneOf, port, showRowsThatApply } from "../../shell/editor/fields.ts";

RED.nodes.registerType("kubeedge-route-in", {
    category: "KubeEdge cloud",
    color: "#A6BBCF",
    icon: "kubeedge-route-in.svg",
    inputs: 1,
    outputs: 2,
    defaults: {
        name: { value: "" },
        version: { value: 1 },
        from: { value: "", validate: oneOf("rest", "eventbus", "servicebus") },
        namespace: { value: "", validate: kubernetesName },
        path: { value: "" },
        edgeNode: { value: "" },
        mqttTopic: { value: "" },
        targetUrl: { value: "" },
        identity: { value: "", type: "kubeedge-identity", required: false },
        cluster: { value: "", type: "kubeedge-cluster", required: false },
        host: { value: "" },
        port: { value: "", validate: port },
        tls: { value: true },
        authorization: { value: "", validate: oneOf("kubernetes", "none") },
        timeoutMs: { value: "", validate: integer(100, 86400000) },
    },
    label() {
        return this.name || "route in";
    },
    labelStyle() {
        return this.name ? "node_label_italic" : "";
    },
    paletteLabel: "route in",
    inputLabels() {
        return this._("kubeedge-route-in.input");
    },
    outputLabels(index) {
        return this._(`kubeedge-route-in.output.${["cloudhub", "message"][index]}`);
    },
    oneditprepare() {
        showRowsThatApply("node-input");
    },
});
