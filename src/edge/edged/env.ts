// SPDX-License-Identifier: Apache-2.0
import { isRedgeError, RedgeError } from "../../core/errors/redge-error.ts";
import { parseQuantity } from "../../kube/quantity.ts";
import type { KubeObject } from "../../kube/types.ts";
import { dataOf } from "./objects.ts";
import type { Container, EnvVar, Pod, ResourceFieldRef } from "./podspec/types.ts";

/** What the values of a pod's environment and of its downward files come from. */
export interface DownwardContext {
    readonly nodeName: string;
    readonly hostIps: readonly string[];
    readonly podIps: readonly string[];
    /** Base units: cores, bytes. Stands in for limits that are not set. */
    readonly allocatable: Readonly<Record<string, number>>;
    lookup(type: string, namespace: string | undefined, name: string): Promise<KubeObject>;
}

/**
 * The environment of a container, in order, later names winning.
 * @throws REDGE_EDGED_OBJECT_INVALID when something it refers to lacks the key, REDGE_EDGED_NO_ANSWER when it is missing
 */
export async function resolveEnv(
    pod: Pod,
    container: Container,
    context: DownwardContext,
): Promise<ReadonlyMap<string, string>> {
    const env = new Map<string, string>();
    for (const from of container.envFrom ?? []) {
        const type = from.secretRef === undefined ? "configmap" : "secret";
        const ref = from.secretRef ?? from.configMapRef;
        const object = await lookupOptional(pod, type, ref?.name ?? "", ref?.optional === true, context);
        if (object === undefined) continue;
        for (const [key, value] of dataOf(object)) env.set((from.prefix ?? "") + key, value.toString("utf8"));
    }
    for (const variable of container.env ?? []) {
        const value = await variableValue(pod, container, variable, env, context);
        if (value !== undefined) env.set(variable.name, value);
    }
    return env;
}

/** Fills $(NAME) places; $$(NAME) stays $(NAME); unknown names stay as they are. */
export function expand(text: string, env: ReadonlyMap<string, string>): string {
    return text.replace(/\$\$|\$\(([^()$]+)\)/g, (whole, name: string | undefined) =>
        name === undefined ? "$" : (env.get(name) ?? whole),
    );
}

/** A value of the downward API by its path. @throws REDGE_EDGED_OBJECT_INVALID for a path that does not exist */
export function fieldValue(pod: Pod, path: string, context: DownwardContext): string {
    const { metadata, spec } = pod;
    const keyed = /^metadata\.(labels|annotations)\['(.+)'\]$/.exec(path);
    if (keyed !== null) return metadata[keyed[1] as "labels" | "annotations"]?.[keyed[2] ?? ""] ?? "";
    switch (path) {
        case "metadata.name":
            return metadata.name;
        case "metadata.namespace":
            return metadata.namespace;
        case "metadata.uid":
            return metadata.uid;
        case "metadata.labels":
            return lines(metadata.labels);
        case "metadata.annotations":
            return lines(metadata.annotations);
        case "spec.nodeName":
            return context.nodeName;
        case "spec.serviceAccountName":
            return spec.serviceAccountName ?? "default";
        case "status.hostIP":
            return context.hostIps[0] ?? "";
        case "status.hostIPs":
            return context.hostIps.join(",");
        case "status.podIP":
            return context.podIps[0] ?? "";
        case "status.podIPs":
            return context.podIps.join(",");
        default:
            throw invalid(pod, `fieldRef ${path} does not exist`);
    }
}

/** A container's own request or limit, divided; limits that are not set are what the node has. */
export function resourceValue(pod: Pod, own: Container, ref: ResourceFieldRef, context: DownwardContext): string {
    const all = [...pod.spec.containers, ...(pod.spec.initContainers ?? [])];
    const container = ref.containerName ? all.find(({ name }) => name === ref.containerName) : own;
    const [kind, ...rest] = ref.resource.split(".");
    const resource = rest.join(".");
    if (container === undefined || (kind !== "limits" && kind !== "requests") || resource === "") {
        throw invalid(pod, `resourceFieldRef ${ref.containerName ?? ""} ${ref.resource} does not exist`);
    }
    const { limits, requests } = container.resources ?? {};
    const set = parseQuantity(kind === "limits" ? limits?.[resource] : (requests?.[resource] ?? limits?.[resource]));
    const value = set ?? (kind === "limits" ? (context.allocatable[resource] ?? 0) : 0);
    const divisor = parseQuantity(ref.divisor) || 1;
    return String(Math.ceil(value / divisor - 1e-9));
}

/** The object, or undefined when it may be missing and is. */
export async function lookupOptional(
    pod: Pod,
    type: "configmap" | "secret",
    name: string,
    optional: boolean,
    context: Pick<DownwardContext, "lookup">,
): Promise<KubeObject | undefined> {
    try {
        return await context.lookup(type, pod.metadata.namespace, name);
    } catch (thrown) {
        if (optional && isRedgeError(thrown, "REDGE_EDGED_NO_ANSWER")) return undefined;
        throw thrown;
    }
}

async function variableValue(
    pod: Pod,
    container: Container,
    variable: EnvVar,
    env: ReadonlyMap<string, string>,
    context: DownwardContext,
): Promise<string | undefined> {
    const from = variable.valueFrom;
    if (from === undefined) return expand(variable.value ?? "", env);
    if (from.fieldRef !== undefined) return fieldValue(pod, from.fieldRef.fieldPath, context);
    if (from.resourceFieldRef !== undefined) return resourceValue(pod, container, from.resourceFieldRef, context);
    const type = from.secretKeyRef === undefined ? "configmap" : "secret";
    const ref = from.secretKeyRef ?? from.configMapKeyRef;
    if (ref === undefined) throw invalid(pod, `env ${variable.name} has a valueFrom that is not known`);
    const object = await lookupOptional(pod, type, ref.name ?? "", ref.optional === true, context);
    const value = object === undefined ? undefined : dataOf(object).get(ref.key);
    if (value === undefined && ref.optional !== true) {
        throw invalid(pod, `couldn't find key ${ref.key} in ${type} ${pod.metadata.namespace}/${ref.name ?? ""}`);
    }
    return value?.toString("utf8");
}

function lines(map: Readonly<Record<string, string>> | undefined): string {
    return Object.entries(map ?? {})
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
        .join("\n");
}

function invalid(pod: Pod, reason: string): RedgeError {
    const { namespace, name } = pod.metadata;
    return new RedgeError("REDGE_EDGED_OBJECT_INVALID", { resource: `${namespace}/pod/${name}`, reason });
}
