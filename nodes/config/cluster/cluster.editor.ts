// SPDX-License-Identifier: Apache-2.0
import { oneOf, port, showRowsThatApply } from "../../shell/editor/fields.ts";

RED.nodes.registerType("kubeedge-cluster", {
    category: "config",
    defaults: {
        name: { value: "" },
        version: { value: 1 },
        mode: { value: "", validate: oneOf("embedded", "kubeconfig", "in-cluster") },
        kubeconfig: { value: "" },
        context: { value: "" },
        store: { value: "", type: "kubeedge-store", required: false },
        host: { value: "" },
        sans: { value: "" },
        port: { value: "", validate: port },
        dataDir: { value: "" },
    },
    label() {
        return this.name || String(this.mode || "embedded");
    },
    oneditprepare() {
        showRowsThatApply("node-config-input");
    },
});
