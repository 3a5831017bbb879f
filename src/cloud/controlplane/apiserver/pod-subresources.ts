// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "../../../core/clock.ts";
import { asRecord, asRecords, asText } from "../../../core/json.ts";
import { isoSeconds } from "../../../kube/meta/time.ts";
import { asKubeObject, mediaTypeOf, parseText, readBody } from "../../../kube/rest/body.ts";
import { writeOptions } from "../../../kube/rest/context.ts";
import { readDeleteRequest } from "../../../kube/rest/deletion.ts";
import type { ObjectService } from "../../../kube/rest/objects.ts";
import { containerFor } from "../../../kube/rest/pod-containers.ts";
import type { ResourceRequest } from "../../../kube/rest/resource-handler.ts";
import { sendValue } from "../../../kube/rest/respond.ts";
import { badRequest, conflict, methodNotAllowed, notFound } from "../../../kube/rest/status.ts";
import type { KubeObject } from "../../../kube/types.ts";
import type { KubeletProxy } from "./kubelet-proxy.ts";

const SUCCESS = { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success", code: 201 };
const PODS = { group: "", plural: "pods" };

/** POST pods/<name>/binding: the scheduler's decision. */
export async function bindPod(
    { context, path, resource, verb }: ResourceRequest,
    objects: ObjectService,
    clock: Clock,
): Promise<void> {
    if (verb !== "create") throw methodNotAllowed();
    const binding = asKubeObject(await parseText(await readBody(context.request), mediaTypeOf(context.request)));
    const nodeName = asText(asRecord(binding["target"])["name"]);
    if (nodeName === undefined) throw badRequest("target.name of the binding is missing");
    const name = path.name ?? binding.metadata.name;
    const change = (current: KubeObject): KubeObject => {
        const spec = asRecord(current["spec"]);
        const bound = asText(spec["nodeName"]);
        if (bound !== undefined) throw conflict(PODS, name, `pod ${name} is already assigned to node "${bound}"`);
        if (current.metadata.deletionTimestamp !== undefined)
            throw conflict(PODS, name, `pod ${name} is being deleted, cannot be assigned to a host`);
        const status = asRecord(current["status"]);
        const others = asRecords(status["conditions"]).filter((one) => one["type"] !== "PodScheduled");
        const scheduled = {
            type: "PodScheduled",
            status: "True",
            lastProbeTime: null,
            lastTransitionTime: isoSeconds(clock.nowMs()),
        };
        return {
            ...current,
            metadata: {
                ...current.metadata,
                annotations: { ...current.metadata.annotations, ...binding.metadata.annotations },
            },
            spec: { ...spec, nodeName },
            status: { ...status, conditions: [...others, scheduled] },
        };
    };
    // Spec and status change together here, which neither endpoint of the pod itself allows.
    await objects.update(
        { ...resource, hasStatus: false },
        path.namespace,
        name,
        change,
        writeOptions(context, { trusted: true }),
    );
    sendValue(context.response, 201, SUCCESS);
}

/** POST pods/<name>/eviction: a delete that disruption budgets could refuse; there are none here. */
export async function evictPod(
    { context, path, resource, verb }: ResourceRequest,
    objects: ObjectService,
): Promise<void> {
    if (verb !== "create") throw methodNotAllowed();
    const eviction = asKubeObject(await parseText(await readBody(context.request), mediaTypeOf(context.request)));
    const request = readDeleteRequest(eviction["deleteOptions"], context.query);
    await objects.delete(resource, path.namespace, path.name ?? "", request, writeOptions(context));
    sendValue(context.response, 201, SUCCESS);
}

/** GET pods/<name>/log */
export async function serveLog({ context, path }: ResourceRequest, kubelet: KubeletProxy): Promise<void> {
    const { namespace = "", name = "" } = path;
    const { pod, endpoint } = await kubelet.podEndpoint(namespace, name);
    const container = containerFor(pod, context.query.get("container"));
    const query = new URLSearchParams(context.query);
    query.delete("container");
    const text = query.toString();
    const target = `/containerLogs/${namespace}/${name}/${container}${text === "" ? "" : `?${text}`}`;
    await kubelet.forward(endpoint, target, context.request, context.response);
}

const FLAGS = { stdin: "input", stdout: "output", stderr: "error", tty: "tty" } as const;

/**
 * The kubelet's path for exec, attach and port-forward of a pod. The API and the kubelet name the streams
 * differently: stdin=true here is input=1 there.
 */
export function streamPath(pod: KubeObject, subresource: string, query: URLSearchParams): string {
    const { namespace, name } = pod.metadata;
    if (subresource === "portforward") {
        const ports = query.toString();
        return `/portForward/${namespace}/${name}${ports === "" ? "" : `?${ports}`}`;
    }
    const container = containerFor(pod, query.get("container"));
    const forwarded = new URLSearchParams();
    for (const [ours, theirs] of Object.entries(FLAGS)) {
        const value = query.get(ours);
        if (value === "true" || value === "1") forwarded.set(theirs, "1");
    }
    for (const word of query.getAll("command")) forwarded.append("command", word);
    return `/${subresource}/${namespace}/${name}/${container}?${forwarded.toString()}`;
}

/** Nodes are asked by name: /api/v1/nodes/<name>/proxy/<path>. */
export async function proxyNode({ context, path }: ResourceRequest, kubelet: KubeletProxy): Promise<void> {
    if (path.name === undefined) throw notFound({ group: "", plural: "nodes" }, "");
    const endpoint = await kubelet.nodeEndpoint(path.name.split(":")[0] ?? path.name);
    const query = context.query.toString();
    await kubelet.forward(
        endpoint,
        `${path.rest || "/"}${query === "" ? "" : `?${query}`}`,
        context.request,
        context.response,
    );
}
