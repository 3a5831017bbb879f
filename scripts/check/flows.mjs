// SPDX-License-Identifier: Apache-2.0
// What a shipped flow file has to be: whole, readable, without secrets, and made of nodes that are there.
import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

const STRUCTURE = new Set(["tab", "group", "junction", "subflow", "global-config", "unknown"]);

/** The node types that Node-RED itself brings. */
export function coreTypes(root) {
    const require = createRequire(join(root, "package.json"));
    const folder = join(dirname(require.resolve("@node-red/nodes/package.json")), "core");
    const html = readdirSync(folder, { recursive: true }).filter(
        (name) => name.endsWith(".html") && !name.includes("locales"),
    );
    return new Set(html.flatMap((name) => typesIn(readFileSync(join(folder, name), "utf8"))));
}

export function typesIn(html) {
    return [...html.matchAll(/data-template-name=["']([^"']+)["']/g)].map(([, type]) => type);
}

/**
 * @param nodes the parsed flow file
 * @param known types that may be used
 * @param links ids of link nodes in the other shipped files that links may lead to
 * @returns {string[]} what is wrong with it
 */
export function checkFlow(name, nodes, known, links) {
    const problems = [];
    const wrong = (text) => problems.push(`${name}: ${text}`);
    const byId = new Map();
    for (const node of nodes) {
        if (byId.has(node.id)) wrong(`the id ${node.id} is used twice`);
        byId.set(node.id, node);
    }
    const modules = Object.keys(nodes.find(({ type }) => type === "global-config")?.modules ?? {});
    const foreign = modules.some((module) => !module.startsWith("@redge/"));
    for (const node of nodes) {
        const at = `${node.type} ${node.id}`;
        if (!STRUCTURE.has(node.type) && !known.has(node.type) && !foreign) wrong(`${at}: nobody has this type`);
        if (/[.\s]/.test(node.id)) wrong(`${at}: the id has a dot or a space`);
        if (node.z !== undefined && !byId.has(node.z)) wrong(`${at}: its tab ${node.z} is missing`);
        if (node.g !== undefined && !byId.get(node.g)?.nodes?.includes(node.id))
            wrong(`${at}: not in its group ${node.g}`);
        if (node.credentials !== undefined) wrong(`${at}: credentials in a flow file`);
        for (const target of (node.wires ?? []).flat()) {
            if (byId.get(target)?.z !== node.z) wrong(`${at}: a wire leads to ${target}, which is not on its tab`);
        }
        for (const target of node.links ?? [])
            if (!byId.has(target) && !links.has(target)) wrong(`${at}: links to ${target}`);
        const isConfig = node.x === undefined && !STRUCTURE.has(node.type);
        if (isConfig && node.wires !== undefined) wrong(`${at}: a config node with wires`);
    }
    for (const tab of nodes.filter(({ type }) => type === "tab")) {
        const here = nodes.filter(({ z }) => z === tab.id);
        const told = Boolean(tab.info) || here.some(({ type }) => type === "comment");
        if (!told) wrong(`the tab ${tab.label} does not say what it is for`);
    }
    return problems;
}
