// SPDX-License-Identifier: Apache-2.0
import { kubernetesName, oneOf, showRowsThatApply, url } from "../../shell/editor/fields.ts";

RED.nodes.registerType("kubeedge-identity", {
    category: "config",
    defaults: {
        name: { value: "" },
        version: { value: 1 },
        role: { value: "", validate: oneOf("cloud", "edge") },
        cluster: { value: "", type: "kubeedge-cluster", required: false },
        hosts: { value: "" },
        storage: { value: "", validate: oneOf("secret", "folder") },
        nodeName: { value: "", validate: kubernetesName },
        cloudUrl: { value: "", validate: url("https") },
        proxy: { value: "", validate: url("http") },
        folder: { value: "" },
    },
    credentials: { token: { type: "password" } },
    label() {
        return this.name || String(this.role === "edge" ? this.nodeName || "edge" : "cloud");
    },
    oneditprepare() {
        showRowsThatApply("node-config-input");
    },
});
