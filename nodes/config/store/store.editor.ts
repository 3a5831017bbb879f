// SPDX-License-Identifier: Apache-2.0
import { oneOf } from "../../shell/editor/fields.ts";

RED.nodes.registerType("kubeedge-store", {
    category: "config",
    defaults: {
        name: { value: "" },
        version: { value: 1 },
        engine: { value: "", validate: oneOf("nedb", "sqlite") },
        folder: { value: "" },
        keyFile: { value: "" },
    },
    credentials: { key: { type: "password" }, previousKey: { type: "password" } },
    label() {
        return this.name || String(this.engine || "nedb");
    },
});
