// SPDX-License-Identifier: Apache-2.0
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { errorText, RedgeError } from "../../src/core/errors/redge-error.ts";
import { packageRoot } from "../package-root.ts";

interface FlowNode {
    readonly id: string;
}

/**
 * Sees that the user directory has a flow file: the operator's own when there is one, else the shipped flows.
 * @throws REDGE_CLI_FLOWS_BROKEN when the file there is not a flow file
 */
export function ensureFlowFile(userDir: string, shipped: readonly string[]): void {
    const path = join(userDir, "flows.json");
    if (existsSync(path)) {
        readFlows(path);
        return;
    }
    const nodes = new Map<string, FlowNode>();
    for (const name of shipped) for (const node of readFlows(join(packageRoot, name))) nodes.set(node.id, node);
    writeFileSync(path, `${JSON.stringify([...nodes.values()], null, 4)}\n`, { mode: 0o600 });
}

function readFlows(path: string): readonly FlowNode[] {
    const broken = (reason: string): RedgeError => new RedgeError("REDGE_CLI_FLOWS_BROKEN", { path, reason });
    let value: unknown;
    try {
        value = JSON.parse(readFileSync(path, "utf8"));
    } catch (thrown) {
        throw broken(errorText(thrown));
    }
    if (!Array.isArray(value)) throw broken("it is not an array of nodes");
    const wrong = value.findIndex((node: unknown) => typeof (node as FlowNode | null)?.id !== "string");
    if (wrong >= 0) throw broken(`entry ${wrong} has no id`);
    return value as FlowNode[];
}
