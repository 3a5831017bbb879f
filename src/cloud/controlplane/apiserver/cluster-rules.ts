// SPDX-License-Identifier: Apache-2.0
import { asRecord, asRecords, asText, isRecord, type JsonRecord } from "../../../core/json.ts";
import { defaultDefinition, namesOf, validateDefinition } from "../../../kube/custom/definition.ts";
import type { ServedResource, Strategy } from "../../../kube/rest/resources.ts";
import { forbidden, notFound, StatusError } from "../../../kube/rest/status.ts";
import { namespaceTerminating } from "../../../kube/rest/write-rules.ts";
import type { ObjectReader } from "../../../kube/storage/registry.ts";
import type { KubeObject } from "../../../kube/types.ts";
import { ServiceAddresses } from "./service-addresses.ts";

export const CRD_FINALIZER = "customresourcecleanup.apiextensions.k8s.io";
const NAMESPACES = { group: "", plural: "namespaces" };
const PODS = { group: "", plural: "pods" };
/** How long a pod stays on a node that stopped answering, as the real default (seconds). */
const TOLERATION_SECONDS = 300;
const EVICTION_TAINTS = ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"];

/** Refuses creates in a namespace that does not exist or is being deleted (NamespaceLifecycle). */
export function namespaceAdmission(
    reader: ObjectReader,
): (resource: ServedResource, object: KubeObject) => Promise<void> {
    return async (resource, { metadata }) => {
        if (!resource.namespaced) return;
        const name = metadata.namespace ?? "";
        const namespace = await reader.get({ ...NAMESPACES, namespace: "", name });
        if (namespace === undefined) throw notFound({ group: "", plural: "namespaces" }, name);
        if (namespace.object.metadata.deletionTimestamp !== undefined)
            throw namespaceTerminating(resource, metadata.name, name);
    };
}

/** The rules of kinds that look at other objects. */
export function clusterStrategies(reader: ObjectReader): Record<string, Strategy> {
    const addresses = new ServiceAddresses(reader);
    return {
        Namespace: {
            prepareCreate(object) {
                object["spec"] = { ...asRecord(object["spec"]), finalizers: ["kubernetes"] };
                object["status"] = { phase: "Active" };
            },
            prepareUpdate(next, current, { subresource }) {
                if (subresource !== "finalize") next["spec"] = current["spec"];
            },
        },
        Pod: {
            prepareCreate: async (object) => {
                await admitPod(reader, object);
                object["status"] = { phase: "Pending", qosClass: qosClass(asRecord(object["spec"])) };
            },
        },
        Service: {
            prepareCreate: async (object) => {
                await addresses.assign(object);
                object["status"] = { loadBalancer: {} };
            },
            prepareUpdate: async (next, current) => addresses.keep(next, current),
        },
        Job: {
            prepareCreate: (object) => selectOwnPods(object),
        },
        CertificateSigningRequest: {
            prepareCreate(object, { user }) {
                object["spec"] = { ...asRecord(object["spec"]), username: user };
            },
        },
        CustomResourceDefinition: {
            default: defaultDefinition,
            validate: validateDefinition,
            prepareCreate(object, { nowIso }) {
                object.metadata.finalizers = [...new Set([...(object.metadata.finalizers ?? []), CRD_FINALIZER])];
                object["status"] = establishedStatus(object, nowIso);
            },
            prepareUpdate(next, current, { nowIso }) {
                const stored = asRecord(current["status"])["storedVersions"];
                const status = establishedStatus(next, nowIso);
                const versions = new Set([...(Array.isArray(stored) ? stored : []), ...status.storedVersions]);
                const conditions = asRecord(current["status"])["conditions"] ?? status.conditions;
                next["status"] = { ...status, conditions, storedVersions: [...versions] };
            },
        },
    };
}

async function admitPod(reader: ObjectReader, pod: KubeObject): Promise<void> {
    const spec = asRecord(pod["spec"]);
    const { name } = pod.metadata;
    spec["serviceAccountName"] ??= "default";
    spec["serviceAccount"] = spec["serviceAccountName"];
    const tolerations = asRecords(spec["tolerations"]);
    const added = EVICTION_TAINTS.filter((key) => !tolerations.some((one) => tolerates(one, key))).map((key) => ({
        key,
        operator: "Exists",
        effect: "NoExecute",
        tolerationSeconds: TOLERATION_SECONDS,
    }));
    if (added.length > 0) spec["tolerations"] = [...tolerations, ...added];
    await admitPriority(reader, pod, spec);
    const runtimeClass = asText(spec["runtimeClassName"]);
    if (runtimeClass === undefined) return;
    const found = await reader.get({
        group: "node.k8s.io",
        plural: "runtimeclasses",
        namespace: "",
        name: runtimeClass,
    });
    if (found === undefined) throw forbidden(PODS, name, `pod rejected: RuntimeClass "${runtimeClass}" not found`);
    const overhead = asRecord(found.object["overhead"])["podFixed"];
    if (isRecord(overhead)) spec["overhead"] = overhead;
    const scheduling = asRecord(found.object["scheduling"]);
    if (isRecord(scheduling["nodeSelector"]))
        spec["nodeSelector"] = { ...asRecord(spec["nodeSelector"]), ...scheduling["nodeSelector"] };
    if (Array.isArray(scheduling["tolerations"]))
        spec["tolerations"] = [...asRecords(spec["tolerations"]), ...asRecords(scheduling["tolerations"])];
}

const SYSTEM_PRIORITIES: Readonly<Record<string, number>> = {
    "system-cluster-critical": 2_000_000_000,
    "system-node-critical": 2_000_001_000,
};

async function admitPriority(reader: ObjectReader, pod: KubeObject, spec: JsonRecord): Promise<void> {
    const className = asText(spec["priorityClassName"]);
    let value = className === undefined ? 0 : SYSTEM_PRIORITIES[className];
    let policy: unknown;
    if (value === undefined) {
        const found = await reader.get({
            group: "scheduling.k8s.io",
            plural: "priorityclasses",
            namespace: "",
            name: className ?? "",
        });
        if (found === undefined)
            throw forbidden(PODS, pod.metadata.name, `no PriorityClass with name ${className} was found`);
        value = Number(found.object["value"]);
        policy = found.object["preemptionPolicy"];
    }
    spec["priority"] = value;
    spec["preemptionPolicy"] ??= policy ?? "PreemptLowerPriority";
}

function tolerates(toleration: JsonRecord, taint: string): boolean {
    const { key, effect } = toleration;
    return (
        (key === undefined || key === "" || key === taint) &&
        (effect === undefined || effect === "" || effect === "NoExecute")
    );
}

/** Guaranteed, Burstable or BestEffort, from requests and limits of CPU and memory. */
function qosClass(spec: JsonRecord): string {
    const containers = [...asRecords(spec["containers"]), ...asRecords(spec["initContainers"])];
    let any = false;
    let guaranteed = true;
    for (const container of containers) {
        const { requests, limits } = asRecord(container["resources"]);
        for (const name of ["cpu", "memory"]) {
            const limit = asRecord(limits)[name];
            const request = asRecord(requests)[name] ?? limit;
            if (limit !== undefined || request !== undefined) any = true;
            if (limit === undefined || String(request) !== String(limit)) guaranteed = false;
        }
    }
    if (!any) return "BestEffort";
    return guaranteed ? "Guaranteed" : "Burstable";
}

/** A Job that names no selector is given one over labels that only its own pods carry. */
function selectOwnPods(job: KubeObject): void {
    const spec = asRecord(job["spec"]);
    if (spec["manualSelector"] === true || spec["selector"] !== undefined) return;
    const uid = job.metadata.uid ?? "";
    const metadata = asRecord(asRecord(spec["template"])["metadata"]);
    metadata["labels"] = {
        ...asRecord(metadata["labels"]),
        "controller-uid": uid,
        "job-name": job.metadata.name,
        "batch.kubernetes.io/controller-uid": uid,
        "batch.kubernetes.io/job-name": job.metadata.name,
    };
    spec["selector"] = { matchLabels: { "batch.kubernetes.io/controller-uid": uid } };
}

function establishedStatus(
    definition: KubeObject,
    nowIso: string,
): { storedVersions: unknown[]; [field: string]: unknown } {
    const condition = (type: string, reason: string, message: string): JsonRecord => ({
        type,
        status: "True",
        reason,
        message,
        lastTransitionTime: nowIso,
    });
    const storage = asRecords(asRecord(definition["spec"])["versions"]).find((version) => version["storage"] === true);
    const { shortNames, categories, ...names } = namesOf(definition);
    return {
        conditions: [
            condition("NamesAccepted", "NoConflicts", "no conflicts found"),
            condition("Established", "InitialNamesAccepted", "the initial names have been accepted"),
        ],
        acceptedNames: {
            ...names,
            ...(shortNames.length > 0 ? { shortNames } : {}),
            ...(categories.length > 0 ? { categories } : {}),
        },
        storedVersions: storage === undefined ? [] : [storage["name"]],
    };
}

const PROTECTED = new Set(["default", "kube-system", "kube-public"]);

/** Namespaces the cluster cannot do without are not deleted. @throws 403 */
export function refuseProtectedNamespace(resource: ServedResource, name: string): void {
    if (resource.plural !== "namespaces" || resource.group !== "" || !PROTECTED.has(name)) return;
    throw new StatusError(403, "Forbidden", `namespaces "${name}" is forbidden: this namespace may not be deleted`, {
        name,
        kind: "namespaces",
    });
}
