// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "../../../core/clock.ts";
import { asNumber, asRecord, asRecords, asText, type JsonRecord } from "../../../core/json.ts";
import { readSelection } from "../../../kube/rest/list.ts";
import type { ResourceRequest } from "../../../kube/rest/resource-handler.ts";
import type { ServedResource } from "../../../kube/rest/resources.ts";
import { sendValue } from "../../../kube/rest/respond.ts";
import { methodNotAllowed, notFound } from "../../../kube/rest/status.ts";
import type { ObjectReader } from "../../../kube/storage/registry.ts";
import { defaultColumns } from "../../../kube/tables/table.ts";
import type { KubeObject } from "../../../kube/types.ts";
import type { KubeletProxy } from "./kubelet-proxy.ts";

const GROUP_VERSION = { group: "metrics.k8s.io", version: "v1beta1" } as const;
const API_VERSION = "metrics.k8s.io/v1beta1";
/** Usage is a rate over about this long. */
const WINDOW = "10s";

/** metrics.k8s.io, which `kubectl top` reads. */
export const metricsResources: readonly ServedResource[] = (["Node", "Pod"] as const).map((of) => ({
    ...GROUP_VERSION,
    kind: `${of}Metrics`,
    plural: `${of.toLowerCase()}s`,
    singular: "",
    listKind: `${of}MetricsList`,
    namespaced: of === "Pod",
    shortNames: [],
    categories: [],
    verbs: ["get", "list"],
    subresources: [],
    hasStatus: false,
    hasGeneration: false,
    statusCarriesMetadata: false,
    selectable: {},
    columns: defaultColumns,
    strategy: {},
}));

interface MetricsPorts {
    readonly reader: ObjectReader;
    readonly kubelet: KubeletProxy;
    readonly clock: Clock;
}

/** Usage of nodes and pods, asked of the kubelet endpoints at that moment; a node that does not answer is left out. */
export async function serveMetrics(request: ResourceRequest, ports: MetricsPorts): Promise<void> {
    const { context, path, resource, verb } = request;
    if (verb !== "get" && verb !== "list") throw methodNotAllowed();
    const timestamp = new Date(ports.clock.nowMs()).toISOString();
    const ofNodes = resource.kind === "NodeMetrics";
    const { items } = await ports.reader.list({ group: "", plural: "nodes" }, undefined);
    const names = items.map(({ object }) => object.metadata.name);
    const asked = ofNodes && path.name !== undefined ? names.filter((name) => name === path.name) : names;
    const summaries = await Promise.all(asked.map((name) => summaryOf(name, ports.kubelet)));
    const all = ofNodes
        ? await nodeMetrics(summaries, timestamp, ports.reader)
        : await podMetrics(summaries, timestamp, ports.reader);
    const selection = readSelection(resource, path.namespace, context.query, path.name);
    const inNamespace = ({ metadata }: KubeObject): boolean =>
        selection.namespace === undefined || metadata.namespace === selection.namespace;
    const chosen = all.filter((item) => inNamespace(item) && selection.matches(item));
    if (path.name === undefined) {
        sendValue(context.response, 200, {
            kind: resource.listKind,
            apiVersion: API_VERSION,
            metadata: {},
            items: chosen,
        });
        return;
    }
    const [only] = chosen;
    if (only === undefined) throw notFound(resource, path.name);
    sendValue(context.response, 200, only);
}

async function summaryOf(node: string, kubelet: KubeletProxy): Promise<JsonRecord> {
    try {
        return asRecord(await kubelet.getJson(node, "/stats/summary"));
    } catch {
        // Offline nodes have no usage to tell; kubectl shows them as unknown.
        return {};
    }
}

async function nodeMetrics(
    summaries: readonly JsonRecord[],
    timestamp: string,
    reader: ObjectReader,
): Promise<KubeObject[]> {
    const found: KubeObject[] = [];
    for (const summary of summaries) {
        const node = asRecord(summary["node"]);
        const name = asText(node["nodeName"]);
        const usage = usageOf(node);
        if (name === undefined || usage === undefined) continue;
        const stored = await reader.get({ group: "", plural: "nodes", namespace: "", name });
        const metadata = { name, labels: stored?.object.metadata.labels ?? {}, creationTimestamp: timestamp };
        found.push({ kind: "NodeMetrics", apiVersion: API_VERSION, metadata, timestamp, window: WINDOW, usage });
    }
    return found;
}

async function podMetrics(
    summaries: readonly JsonRecord[],
    timestamp: string,
    reader: ObjectReader,
): Promise<KubeObject[]> {
    const found: KubeObject[] = [];
    for (const pod of summaries.flatMap((summary) => asRecords(summary["pods"]))) {
        const { name, namespace } = asRecord(pod["podRef"]);
        const key = { name: asText(name) ?? "", namespace: asText(namespace) ?? "" };
        const stored = await reader.get({ group: "", plural: "pods", ...key });
        const containers = asRecords(pod["containers"]).flatMap((container) => {
            const usage = usageOf(container);
            return usage === undefined ? [] : [{ name: asText(container["name"]) ?? "", usage }];
        });
        if (stored === undefined || containers.length === 0) continue;
        const metadata = { ...key, labels: stored.object.metadata.labels ?? {}, creationTimestamp: timestamp };
        found.push({ kind: "PodMetrics", apiVersion: API_VERSION, metadata, timestamp, window: WINDOW, containers });
    }
    return found;
}

/** As quantities; undefined when neither CPU nor memory is known. */
function usageOf(stats: JsonRecord): { readonly cpu: string; readonly memory: string } | undefined {
    const cpu = asNumber(asRecord(stats["cpu"])["usageNanoCores"]);
    const bytes = asNumber(asRecord(stats["memory"])["workingSetBytes"]);
    if (cpu === undefined && bytes === undefined) return undefined;
    return { cpu: `${cpu ?? 0}n`, memory: `${Math.round((bytes ?? 0) / 1024)}Ki` };
}
