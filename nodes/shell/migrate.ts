// SPDX-License-Identifier: Apache-2.0
import type { NodeDef } from "./red.ts";

/** Brings a saved configuration to `version`. Pure: it returns the changed properties. */
export interface Migration {
    readonly version: number;
    readonly up: (def: NodeDef) => Readonly<Record<string, unknown>>;
}

/** Applies, in order, the migrations a saved node has not seen. Nodes saved without a version count as version 1. */
export function migrate(def: NodeDef, migrations: readonly Migration[]): NodeDef {
    const saved = Number(def["version"] ?? 1);
    let current = def;
    for (const { version, up } of [...migrations].sort((left, right) => left.version - right.version)) {
        if (version > saved) current = { ...current, ...up(current), version };
    }
    return current;
}
