// SPDX-License-Identifier: Apache-2.0
import type { FlowNode, FlowUnit } from "../../../src/edge/edged/index.ts";
import { podPrefix } from "./pod-flow-ids.ts";

/** Properties whose strings name other nodes whatever the node's type. */
const REFERENCES = new Set(["z", "g", "wires", "links", "scope", "nodes", "in", "out", "status"]);
const WHOLE_VARIABLE = /^\$\{([^}]+)\}$/;

/**
 * The nodes that a unit adds to the gateway's Node-RED: ids prefixed so that nothing clashes, tabs locked and labelled with the
 * pod's name, the container's environment on every tab. Config nodes that belong to no tab cannot see a tab's environment,
 * so `${NAME}` is filled in there.
 */
export function podNodes(unit: FlowUnit): readonly FlowNode[] {
    const prefix = podPrefix(unit.id);
    return unit.files.flatMap(({ nodes }, index) =>
        fileNodes(unit, `${prefix}-${index === 0 ? "" : `${index}-`}`, nodes),
    );
}

function fileNodes(unit: FlowUnit, prefix: string, given: readonly FlowNode[]): FlowNode[] {
    const globals = given.filter(({ type }) => type === "global-config").flatMap((node) => envOf(node));
    const nodes = withTabs(given.filter(({ type }) => type !== "global-config"));
    const ids = new Set(nodes.map(({ id }) => id));
    const configs = new Set(nodes.filter(isConfig).map(({ id }) => id));
    const tabs = nodes.filter(({ type }) => type === "tab");
    return nodes.map((node) => {
        const renamed = rename(node, prefix, ids, configs);
        if (node.type === "tab") return podTab(unit, renamed, globals, tabs.length > 1);
        return isConfig(node) && node["z"] === undefined ? fillVariables(renamed, new Map(unit.env)) : renamed;
    });
}

/** Nodes that were exported without their tab get one. */
function withTabs(nodes: readonly FlowNode[]): readonly FlowNode[] {
    const homes = new Set(nodes.filter(({ type }) => type === "tab" || type === "subflow").map(({ id }) => id));
    const lost = new Set(
        nodes.flatMap(({ z, x, type }) =>
            type !== "tab" && type !== "subflow" && x !== undefined && !homes.has(String(z))
                ? [String(z ?? "flow")]
                : [],
        ),
    );
    const tabs = [...lost].map((id): FlowNode => ({ id, type: "tab", label: "" }));
    return [
        ...tabs,
        ...nodes.map((node) => (node["x"] !== undefined && node["z"] === undefined ? { ...node, z: "flow" } : node)),
    ];
}

function isConfig(node: FlowNode): boolean {
    return !["tab", "subflow", "group"].includes(node.type) && node["x"] === undefined;
}

function podTab(unit: FlowUnit, tab: FlowNode, globals: readonly EnvEntry[], several: boolean): FlowNode {
    const own = new Set(unit.env.map(([name]) => name));
    const kept = [...globals, ...envOf(tab)].filter(({ name }) => !own.has(name));
    const label = `${unit.namespace}/${unit.pod}`;
    return {
        ...tab,
        label: several && tab["label"] ? `${label}: ${String(tab["label"])}` : label,
        locked: true,
        info: `${tab["info"] ? `${String(tab["info"])}\n\n` : ""}Pod ${label}, container ${unit.container}. Kubernetes keeps this flow.`,
        env: [...kept, ...unit.env.map(([name, value]) => ({ name, value, type: "str" }))],
    };
}

interface EnvEntry {
    readonly name: string;
    readonly value: unknown;
    readonly type: string;
}

function envOf(node: FlowNode): readonly EnvEntry[] {
    return Array.isArray(node["env"]) ? (node["env"] as EnvEntry[]) : [];
}

function rename(node: FlowNode, prefix: string, ids: ReadonlySet<string>, configs: ReadonlySet<string>): FlowNode {
    const map = (value: unknown, all: boolean): unknown => {
        if (typeof value === "string") {
            if (value.startsWith("subflow:") && ids.has(value.slice(8))) return `subflow:${prefix}${value.slice(8)}`;
            return (all ? ids : configs).has(value) ? prefix + value : value;
        }
        if (Array.isArray(value)) return value.map((item) => map(item, all));
        if (value === null || typeof value !== "object") return value;
        return Object.fromEntries(
            Object.entries(value).map(([key, inner]) => [key, map(inner, all || key === "wires" || key === "id")]),
        );
    };
    const entries = Object.entries(node).map(([key, value]): [string, unknown] => {
        if (key === "id") return [key, prefix + node.id];
        if (key === "type") return [key, map(value, false)];
        return [key, map(value, REFERENCES.has(key))];
    });
    return Object.fromEntries(entries) as unknown as FlowNode;
}

function fillVariables(node: FlowNode, env: ReadonlyMap<string, string>): FlowNode {
    const filled = Object.entries(node).map(([key, value]) => {
        const name = typeof value === "string" ? WHOLE_VARIABLE.exec(value)?.[1] : undefined;
        return [key, (name === undefined ? undefined : env.get(name)) ?? value];
    });
    return Object.fromEntries(filled) as FlowNode;
}
