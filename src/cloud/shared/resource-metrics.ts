// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "../../core/clock.ts";
import { asNumber, asRecord, asRecords, asText, type JsonRecord } from "../../core/json.ts";
import { readSelection } from "../../kube/rest/list.ts";
import type { ResourceRequest } from "../../kube/rest/resource-handler.ts";
import type { ServedResource } from "../../kube/rest/resources.ts";
import { sendValue } from "../../kube/rest/respond.ts";
import { methodNotAllowed, notFound } from "../../kube/rest/status.ts";
import { defaultColumns } from "../../kube/tables/table.ts";
import type { KubeObject, ObjectMeta } from "../../kube/types.ts";

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

/** Where usage is known. */
export interface UsageSource {
    /** One node or all, as far as they can be asked. */
    nodes(name: string | undefined): Promise<readonly KubeObject[]>;
    pods(namespace: string | undefined, name: string | undefined): Promise<readonly KubeObject[]>;
    /** What the kubelet of a node answers to /stats/summary. Rejects when it does not answer in time. */
    summary(node: string): Promise<unknown>;
}

/** Answers requests for metrics.k8s.io with what nodes tell at that moment; one that does not answer is left out. */
export async function serveMetrics(request: ResourceRequest, source: UsageSource, clock: Clock): Promise<void> {
    const { context, path, resource, verb } = request;
    if (verb !== "get" && verb !== "list") throw methodNotAllowed();
    const timestamp = new Date(clock.nowMs()).toISOString();
    const { namespace, matches } = readSelection(resource, path.namespace, context.query, path.name);
    const all =
        resource.kind === "NodeMetrics"
            ? await nodeMetrics(source, path.name, timestamp)
            : await podMetrics(source, namespace, path.name, timestamp);
    const chosen = all.filter(matches);
    if (path.name === undefined) {
        const list = { kind: resource.listKind, apiVersion: API_VERSION, metadata: {}, items: chosen };
        sendValue(context.response, 200, list);
        return;
    }
    const [only] = chosen;
    if (only === undefined) throw notFound(resource, path.name);
    sendValue(context.response, 200, only);
}

async function summaryOf(source: UsageSource, node: string): Promise<JsonRecord> {
    try {
        return asRecord(await source.summary(node));
    } catch {
        // Offline nodes have no usage to tell; kubectl shows them as unknown.
        return {};
    }
}

async function nodeMetrics(source: UsageSource, name: string | undefined, timestamp: string): Promise<KubeObject[]> {
    const nodes = await source.nodes(name);
    const found = await Promise.all(
        nodes.map(async ({ metadata }): Promise<readonly KubeObject[]> => {
            const summary = await summaryOf(source, metadata.name);
            const usage = usageOf(asRecord(summary["node"]));
            return usage === undefined ? [] : [{ ...head("NodeMetrics", metadata, timestamp), usage }];
        }),
    );
    return found.flat();
}

async function podMetrics(
    source: UsageSource,
    namespace: string | undefined,
    name: string | undefined,
    timestamp: string,
): Promise<KubeObject[]> {
    const pods = new Map<string, KubeObject>();
    const nodes = new Set<string>();
    for (const pod of await source.pods(namespace, name)) {
        const node = asText(asRecord(pod["spec"])["nodeName"]);
        if (node === undefined) continue;
        nodes.add(node);
        pods.set(`${pod.metadata.namespace}/${pod.metadata.name}`, pod);
    }
    const summaries = await Promise.all([...nodes].map((node) => summaryOf(source, node)));
    return summaries.flatMap((summary) =>
        asRecords(summary["pods"]).flatMap((stats): readonly KubeObject[] => {
            const ref = asRecord(stats["podRef"]);
            const pod = pods.get(`${asText(ref["namespace"])}/${asText(ref["name"])}`);
            const containers = asRecords(stats["containers"]).flatMap((container) => {
                const usage = usageOf(container);
                return usage === undefined ? [] : [{ name: asText(container["name"]) ?? "", usage }];
            });
            if (pod === undefined || containers.length === 0) return [];
            return [{ ...head("PodMetrics", pod.metadata, timestamp), containers }];
        }),
    );
}

function head(kind: string, { name, namespace, labels = {} }: ObjectMeta, timestamp: string): KubeObject {
    const own = namespace === undefined ? { name } : { name, namespace };
    const metadata = { ...own, labels, creationTimestamp: timestamp };
    return { kind, apiVersion: API_VERSION, metadata, timestamp, window: WINDOW };
}

/** As quantities; undefined when neither CPU nor memory is known. */
function usageOf(stats: JsonRecord): { readonly cpu: string; readonly memory: string } | undefined {
    const cpu = asNumber(asRecord(stats["cpu"])["usageNanoCores"]);
    const bytes = asNumber(asRecord(stats["memory"])["workingSetBytes"]);
    if (cpu === undefined && bytes === undefined) return undefined;
    return { cpu: `${cpu ?? 0}n`, memory: `${Math.round((bytes ?? 0) / 1024)}Ki` };
}
