// SPDX-License-Identifier: Apache-2.0
import { asRecord, asText, asTexts } from "../../core/json.ts";
import type { KubeObject } from "../../kube/types.ts";

/** What a Rule and its two RuleEndpoints say together (KubeEdge device reference, section 7.1). */
export interface Route {
    /** `<namespace>/<name>` of the Rule. */
    readonly key: string;
    readonly namespace: string;
    readonly name: string;
    readonly source: RouteSource;
    readonly target: RouteTarget;
}

export type RouteSource =
    /** Segments of the path; `{x}` stands for any one segment. */
    | { readonly type: "rest"; readonly segments: readonly string[] }
    /** `topic` as the edge's clients publish it: with the namespace in front. */
    | { readonly type: "eventbus"; readonly node: string; readonly topic: string }
    | { readonly type: "servicebus"; readonly node: string; readonly url: string };

export type RouteTarget =
    | { readonly type: "rest"; readonly url: string }
    | { readonly type: "eventbus"; readonly topic: string }
    | { readonly type: "servicebus"; readonly port: number; readonly path: string };

/** The route of a rule, or why it is none. */
export function parseRoute(
    rule: KubeObject,
    endpoint: (name: string) => KubeObject | undefined,
): { readonly route: Route } | { readonly problem: string } {
    const spec = asRecord(rule["spec"]);
    const { namespace = "default", name } = rule.metadata;
    try {
        const from = found(spec["source"], "source", endpoint);
        const to = found(spec["target"], "target", endpoint);
        const source = parseSource(from.type, asTexts(spec["sourceResource"]), namespace);
        const target = parseTarget(to.type, asTexts(spec["targetResource"]), to.properties);
        if (source.type !== "rest" && target.type !== "rest") {
            throw new Problem(`from ${source.type} to ${target.type} leads from an edge node to an edge node`);
        }
        if (source.type === "rest" && target.type === "rest")
            throw new Problem("from rest to rest passes no edge node");
        return { route: { key: `${namespace}/${name}`, namespace, name, source, target } };
    } catch (thrown) {
        if (thrown instanceof Problem) return { problem: thrown.message };
        throw thrown;
    }
}

class Problem extends Error {}

function found(given: unknown, field: string, endpoint: (name: string) => KubeObject | undefined) {
    const name = asText(given);
    const object = name === undefined ? undefined : endpoint(name);
    if (object === undefined) throw new Problem(`spec.${field}: there is no rule endpoint ${name ?? ""}`);
    const spec = asRecord(object["spec"]);
    return { type: asText(spec["ruleEndpointType"]) ?? "", properties: asTexts(spec["properties"]) };
}

function parseSource(type: string, resource: Record<string, string>, namespace: string): RouteSource {
    const need = needed(resource, "sourceResource");
    switch (type) {
        case "rest": {
            const segments = segmentsOf(need("path"));
            if (segments.length === 0) throw new Problem("spec.sourceResource.path names no path");
            return { type, segments };
        }
        case "eventbus":
            return { type, node: need("node_name"), topic: segmentsOf(`${namespace}/${need("topic")}`).join("/") };
        case "servicebus":
            return { type, node: need("node_name"), url: need("target_url") };
        default:
            throw new Problem(`an endpoint of type ${type} is no source`);
    }
}

function parseTarget(type: string, resource: Record<string, string>, properties: Record<string, string>): RouteTarget {
    const need = needed(resource, "targetResource");
    switch (type) {
        case "rest": {
            const url = need("resource");
            if (!/^https?:$/.test(protocolOf(url)))
                throw new Problem("spec.targetResource.resource is no http address");
            return { type, url };
        }
        case "eventbus":
            return { type, topic: need("topic") };
        case "servicebus": {
            const port = Number(properties["service_port"]);
            if (!Number.isInteger(port) || port < 1 || port > 65_535) {
                throw new Problem("the endpoint's service_port is not a port");
            }
            const path = need("path");
            if (path.includes(":")) throw new Problem("spec.targetResource.path may hold no colon");
            return { type, port, path: path.startsWith("/") ? path : `/${path}` };
        }
        default:
            throw new Problem(`an endpoint of type ${type} is no target`);
    }
}

function needed(resource: Record<string, string>, field: string): (key: string) => string {
    return (key) => {
        const value = resource[key];
        if (value === undefined || value === "") throw new Problem(`spec.${field}.${key} is missing`);
        return value;
    };
}

export function segmentsOf(path: string): readonly string[] {
    return path.split("/").filter((segment) => segment !== "");
}

function protocolOf(url: string): string {
    return URL.canParse(url) ? new URL(url).protocol : "";
}
