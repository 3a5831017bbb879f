// SPDX-License-Identifier: Apache-2.0
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { errorText, RedgeError } from "../../../../core/errors/redge-error.ts";
import type { Mount } from "../runtime.ts";
import type { FlowNode, FlowUnit } from "./flow-host.ts";

/** Where a flow pod mounts its flow files. */
export const FLOW_DIR = "/flow";

export interface FlowFiles {
    readonly files: FlowUnit["files"];
    /** Of the content: the same digest means nothing to deploy. */
    readonly digest: string;
}

/**
 * Reads every *.json mounted at or below /flow.
 * @throws REDGE_FLOW_EMPTY, REDGE_FLOW_NOT_JSON
 */
export async function readFlowFiles(container: string, mounts: readonly Mount[]): Promise<FlowFiles> {
    const hash = createHash("sha256");
    const files: { name: string; nodes: readonly FlowNode[] }[] = [];
    for (const { hostPath, containerPath } of mounts) {
        if (containerPath !== FLOW_DIR && !containerPath.startsWith(`${FLOW_DIR}/`)) continue;
        for (const path of await jsonFiles(hostPath, containerPath)) {
            const text = await readFile(path.host, "utf8");
            hash.update(`\0${path.shown}\0${text}`);
            files.push({ name: path.shown, nodes: parseFlow(path.shown, text) });
        }
    }
    if (files.length === 0) throw new RedgeError("REDGE_FLOW_EMPTY", { container });
    return { files, digest: hash.digest("hex") };
}

async function jsonFiles(hostPath: string, containerPath: string): Promise<{ host: string; shown: string }[]> {
    if (containerPath.endsWith(".json")) return [{ host: hostPath, shown: containerPath }];
    const names = await readdir(hostPath);
    return names
        .filter((name) => name.endsWith(".json") && !name.startsWith(".."))
        .sort()
        .map((name) => ({ host: join(hostPath, name), shown: `${containerPath}/${name}` }));
}

/** Node-RED's export: an array of nodes, each with id and type. @throws REDGE_FLOW_NOT_JSON */
export function parseFlow(file: string, text: string): readonly FlowNode[] {
    let value: unknown;
    try {
        value = JSON.parse(text);
    } catch (thrown) {
        throw new RedgeError("REDGE_FLOW_NOT_JSON", { file, reason: errorText(thrown) });
    }
    if (!Array.isArray(value)) throw new RedgeError("REDGE_FLOW_NOT_JSON", { file, reason: "it is not an array" });
    const ids = new Set<string>();
    value.forEach((node: unknown, index) => {
        const { id, type } = (node ?? {}) as { id?: unknown; type?: unknown };
        if (typeof id !== "string" || typeof type !== "string") {
            throw new RedgeError("REDGE_FLOW_NOT_JSON", { file, reason: `item ${index} has no id or no type` });
        }
        if (ids.has(id)) throw new RedgeError("REDGE_FLOW_NOT_JSON", { file, reason: `the id ${id} is there twice` });
        ids.add(id);
    });
    return value as FlowNode[];
}
