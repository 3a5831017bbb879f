// SPDX-License-Identifier: Apache-2.0
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import type { NodeRed } from "./red.ts";

/**
 * Files of Node-RED's own nodes that bring libraries of some size, with the types each registers. A process without an editor loads
 * them when a flow has one of the types, and not before: together they take some 15 MiB (measured: bench/memory).
 */
export const DEFERRABLE: Readonly<Record<string, readonly string[]>> = {
    "network/06-httpproxy.js": ["http proxy"],
    "network/10-mqtt.js": ["mqtt-broker", "mqtt in", "mqtt out"],
    "network/21-httpin.js": ["http in", "http response"],
    "network/21-httprequest.js": ["http request"],
    "network/22-websocket.js": ["websocket-listener", "websocket-client", "websocket in", "websocket out"],
    "network/31-tcpin.js": ["tcp in", "tcp out", "tcp request"],
    "network/32-udp.js": ["udp in", "udp out"],
    "function/80-template.js": ["template"],
    "function/90-exec.js": ["exec"],
    "function/rbe.js": ["rbe"],
    "parsers/70-CSV.js": ["csv"],
    "parsers/70-HTML.js": ["html"],
    "parsers/70-XML.js": ["xml"],
    "parsers/70-YAML.js": ["yaml"],
    "sequence/18-sort.js": ["sort"],
    "sequence/19-batch.js": ["batch"],
    "storage/23-watch.js": ["watch"],
};

/** The files of which no node of the flow file needs one. A file that cannot be read leaves all out: Node-RED says what is wrong. */
export function unusedCoreFiles(flowFile: string): readonly string[] {
    const used = typesIn(flowFile);
    return Object.entries(DEFERRABLE)
        .filter(([, types]) => !types.some((type) => used.has(type)))
        .map(([file]) => file);
}

function typesIn(flowFile: string): ReadonlySet<unknown> {
    if (!existsSync(flowFile)) return new Set();
    try {
        const nodes: unknown = JSON.parse(readFileSync(flowFile, "utf8"));
        return new Set(Array.isArray(nodes) ? nodes.map((node: { type?: unknown } | null) => node?.type) : []);
    } catch {
        return new Set();
    }
}

let host: NodeRed | undefined;
const loaded = new Map<string, Promise<void>>();

/** Told by a node that every role loads: through this `RED` deferred files are loaded later. One Node-RED a process. */
export function deferTo(RED: NodeRed): void {
    host = RED;
}

/** Loads what the settings deferred, as far as it brings one of these types. Rejects with what a file throws. */
export async function bringTypes(types: Iterable<string>): Promise<void> {
    const wanted = new Set(types);
    const files = (host?.settings.deferredPalette ?? []).filter((file) =>
        DEFERRABLE[file]?.some((type) => wanted.has(type)),
    );
    await Promise.all(files.map(bring));
}

/**
 * For `httpAdminMiddleware`: whoever changes flows over the admin API may use any type, and what a new node has of credentials is kept only
 * for types that are known, so everything is loaded first.
 */
export function beforeDeploy(request: { method: string }, _response: unknown, next: (thrown?: unknown) => void): void {
    if (request.method === "GET" || request.method === "HEAD") next();
    else bringTypes(Object.values(DEFERRABLE).flat()).then(() => next(), next);
}

function bring(file: string): Promise<void> {
    const loading = loaded.get(file) ?? load(file);
    loaded.set(file, loading);
    loading.catch(() => loaded.delete(file));
    return loading;
}

async function load(file: string): Promise<void> {
    if (host === undefined) return;
    const RED = host;
    const path = join(String(RED.settings.coreNodesDir), "core", file);
    const register = createRequire(path)(path) as (red: NodeRed) => unknown;
    // Texts are looked up among those of the node that asks; these ask for Node-RED's.
    const own: Pick<NodeRed, "_"> = {
        _: (key, params) => RED._(key.includes(":") ? key : `node-red:${key}`, params),
    };
    await register(Object.assign(Object.create(RED) as NodeRed, own));
}
