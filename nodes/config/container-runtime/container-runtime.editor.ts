// SPDX-License-Identifier: Apache-2.0
import { oneOf } from "../../shell/editor/fields.ts";

RED.nodes.registerType("kubeedge-container-runtime", {
    category: "config",
    defaults: {
        name: { value: "" },
        version: { value: 1 },
        engine: { value: "", validate: oneOf("auto", "docker", "cri", "none") },
        store: { value: "", type: "kubeedge-store", required: true },
        socket: { value: "" },
        folder: { value: "" },
    },
    label() {
        return this.name || String(this.engine || "auto");
    },
});
