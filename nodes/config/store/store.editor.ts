// SPDX-License-Identifier: Apache-2.0
import { oneOf } from "../../shell/editor/fields.ts";

RED.nodes.registerType("kubeedge-store", {
    category: "config",
    defaults: {
        name: { value: "" },
        version: { value: 1 },
        engine: { value: "", validate: oneOf("nedb", "sqlite") },
        folder: { value: "" },
    },
    label() {
        return this.name || String(this.engine || "nedb");
    },
});
