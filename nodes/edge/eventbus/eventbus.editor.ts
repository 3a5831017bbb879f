// SPDX-License-Identifier: Apache-2.0
import { integer, oneOf, port, showRowsThatApply, url } from "../../shell/editor/fields.ts";

RED.nodes.registerType("kubeedge-eventbus", {
    category: "KubeEdge edge",
    color: "#87A980",
    icon: "kubeedge-eventbus.svg",
    inputs: 1,
    outputs: 2,
    defaults: {
        name: { value: "" },
        version: { value: 1 },
        identity: { value: "", type: "kubeedge-identity", required: true },
        store: { value: "", type: "kubeedge-store", required: true },
        mode: { value: "", validate: oneOf("internal", "external") },
        host: { value: "" },
        port: { value: "", validate: port },
        maxPacketBytes: { value: "", validate: integer(1024, 268435455) },
        url: { value: "", validate: url("mqtt", "mqtts") },
        username: { value: "" },
        tls: { value: false },
        certFile: { value: "" },
        keyFile: { value: "" },
        caFile: { value: "" },
    },
    credentials: { password: { type: "password" }, users: { type: "password" } },
    label() {
        return this.name || "event bus";
    },
    labelStyle() {
        return this.name ? "node_label_italic" : "";
    },
    paletteLabel: "event bus",
    inputLabels() {
        return this._("kubeedge-eventbus.input");
    },
    outputLabels(index) {
        return this._(`kubeedge-eventbus.output.${["devicetwin", "edgehub"][index]}`);
    },
    oneditprepare() {
        showRowsThatApply("node-input");
    },
});
