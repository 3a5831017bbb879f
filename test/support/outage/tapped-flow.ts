// SPDX-License-Identifier: Apache-2.0
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../site.ts";

interface FlowNode {
    readonly id: string;
    readonly type: string;
    readonly wires?: readonly (readonly string[])[];
}

/** One line for each report that leaves CloudHub: [when, resource, [[property, value, its time], …]]; some together, to spare the disk. */
const LINE = `
if (!msg.topic.endsWith("/twin/edge_updated")) return null;
const content = typeof msg.payload === "string" ? JSON.parse(msg.payload) : msg.payload;
const values = Object.entries(content.twin).map(([name, { actual }]) => [name, actual?.value, Number(actual?.metadata?.timestamp)]);
const lines = context.get("lines") ?? [];
lines.push(JSON.stringify([Date.now(), msg.topic, values]));
if (lines.length === 1) setTimeout(() => node.send({ payload: lines.splice(0).join("\\n") }), 200);
context.set("lines", lines);
return null;`;

/**
 * The shipped cloud flow with one more wire, as an operator would draw it: what CloudHub hands to DeviceController is written to
 * a file too. Made before the site starts for the first time. Answers the path of the file.
 */
export function tapCloudFlow(home: string): string {
    const shipped = JSON.parse(readFileSync(join(root, "cloud-flows/cloud.json"), "utf8")) as readonly FlowNode[];
    const path = join(home, "arrived.jsonl");
    const tapped = shipped.map((node) => {
        if (node.type !== "kubeedge-cloudhub") return node;
        return {
            ...node,
            wires: node.wires?.map((targets, port) => (port === 1 ? [...targets, "tap-line"] : targets)),
        };
    });
    const place = { z: "redge-cloud", name: "" };
    const line = {
        ...place,
        id: "tap-line",
        type: "function",
        func: LINE,
        outputs: 1,
        libs: [],
        wires: [["tap-file"]],
    };
    const file = {
        ...place,
        id: "tap-file",
        type: "file",
        filename: path,
        filenameType: "str",
        appendNewline: true,
        overwriteFile: "false",
        encoding: "none",
        wires: [[]],
    };
    mkdirSync(join(home, "cloud"), { recursive: true });
    writeFileSync(join(home, "cloud/flows.json"), JSON.stringify([...tapped, line, file]), { mode: 0o600 });
    writeFileSync(path, "");
    return path;
}
