// SPDX-License-Identifier: Apache-2.0
import { asRecord, asRecords, asText, isRecord } from "../../src/core/json.ts";
import type { KubeClient } from "../../src/kube/client/client.ts";
import { Kinds, type KubeObject, type ResourceType } from "../../src/kube/types.ts";
import type { ClusterSummary, Health, Line } from "./summary.ts";

/** More than a person reads in a sidebar; the answer stays small for any cluster. */
const LIMIT = 500;
const DEFAULT_NAMESPACE = "default";

/** Asks the API server for the edge nodes, the pods on them, and the devices. @throws REDGE_KUBE_* */
export async function summarise(cluster: KubeClient): Promise<ClusterSummary> {
    const [nodes, pods, devices, statuses] = await Promise.all([
        list(cluster, Kinds.node),
        list(cluster, Kinds.pod),
        list(cluster, Kinds.device),
        list(cluster, Kinds.deviceStatus),
    ]);
    const statusOf = new Map(statuses.map((status) => [nameOf(status), status]));
    return {
        nodes: nodes.map(nodeLine),
        pods: pods.map(podLine),
        devices: devices.map((device) => deviceLine(device, statusOf.get(nameOf(device)))),
    };
}

async function list(cluster: KubeClient, type: ResourceType): Promise<readonly KubeObject[]> {
    return (await cluster.list({ type, limit: LIMIT })).items;
}

function nodeLine(node: KubeObject): Line {
    const conditions = asRecords(asRecord(node["status"])["conditions"]);
    const ready = conditions.find(({ type }) => type === "Ready");
    const status = asText(ready?.["status"]) ?? "Unknown";
    const texts: Record<string, string> = { True: "Ready", False: "NotReady" };
    const health: Record<string, Health> = { True: "good", False: "bad" };
    const cordoned = asRecord(node["spec"])["unschedulable"] === true;
    return {
        name: nameOf(node),
        health: health[status] ?? "waiting",
        text: `${texts[status] ?? "Unknown"}${cordoned ? ", SchedulingDisabled" : ""}`,
        ...detail(asText(ready?.["message"])),
    };
}

function podLine(pod: KubeObject): Line {
    const status = asRecord(pod["status"]);
    const phase = asText(status["phase"]) ?? "Unknown";
    const waiting = asRecords(status["containerStatuses"])
        .map((container) => asRecord(container["state"])["waiting"])
        .find(isRecord);
    const reason = asText(waiting?.["reason"]) ?? asText(status["reason"]);
    const terminating = pod.metadata.deletionTimestamp !== undefined;
    const node = asText(asRecord(pod["spec"])["nodeName"]) ?? "-";
    return {
        name: nameOf(pod),
        health: podHealth(phase, reason),
        text: terminating ? "Terminating" : (reason ?? phase),
        ...detail(`${node}${reason === undefined ? "" : `: ${asText(waiting?.["message"]) ?? reason}`}`),
    };
}

function podHealth(phase: string, reason: string | undefined): Health {
    if (phase === "Failed" || /BackOff|Err/.test(reason ?? "")) return "bad";
    if (phase === "Running") return reason === undefined ? "good" : "waiting";
    return phase === "Succeeded" ? "off" : "waiting";
}

function deviceLine(device: KubeObject, status: KubeObject | undefined): Line {
    const state = asText(asRecord(device["status"])["state"]) ?? asText(asRecord(status?.["status"])["state"]);
    const values = asRecords(asRecord(status?.["status"])["twins"]).map((twin) => {
        const value = asText(asRecord(twin["reported"])["value"]);
        return `${asText(twin["propertyName"]) ?? "?"} ${value ?? "–"}`;
    });
    return {
        name: nameOf(device),
        health: deviceHealth(state),
        text: values.length === 0 ? (state ?? "-") : values.join(", "),
        ...detail([asText(asRecord(device["spec"])["nodeName"]), state].filter(Boolean).join(": ")),
    };
}

function deviceHealth(state: string | undefined): Health {
    if (state === undefined) return "waiting";
    return /^(online|ok)$/i.test(state) ? "good" : "bad";
}

function nameOf({ metadata }: KubeObject): string {
    const { namespace, name } = metadata;
    return namespace === undefined || namespace === DEFAULT_NAMESPACE ? name : `${namespace}/${name}`;
}

function detail(text: string | undefined): { readonly detail?: string } {
    return text === undefined || text === "" ? {} : { detail: text };
}
