// SPDX-License-Identifier: Apache-2.0
import { asRecord, asRecords, asTexts } from "../../core/json.ts";
import type { KubeObject } from "../types.ts";
import {
    count,
    none,
    numberColumn,
    sinceColumn,
    specOf,
    statusOf,
    stringColumn,
    templateColumns,
    text,
} from "./read.ts";
import { age, ageColumn, type Column, nameColumn } from "./table.ts";

const ROLE_LABEL = "node-role.kubernetes.io/";
const field =
    (
        name: string,
        of: (object: KubeObject) => Record<string, unknown>,
        otherwise = "",
    ): ((object: KubeObject) => string) =>
    (object) =>
        text(of(object)[name], otherwise);

function nodeStatus(object: KubeObject): string {
    const ready = asRecords(statusOf(object)["conditions"]).find((one) => one["type"] === "Ready");
    const state = ready === undefined ? "Unknown" : ready["status"] === "True" ? "Ready" : "NotReady";
    return specOf(object)["unschedulable"] === true ? `${state},SchedulingDisabled` : state;
}

function nodeRoles(object: KubeObject): string {
    const labels = object.metadata.labels ?? {};
    const roles = Object.keys(labels)
        .filter((key) => key.startsWith(ROLE_LABEL))
        .map((key) => key.slice(ROLE_LABEL.length));
    const old = labels["kubernetes.io/role"];
    if (old !== undefined) roles.push(old);
    return none(roles.filter((role) => role !== "").sort());
}

const nodeInfo =
    (name: string) =>
    (object: KubeObject): string =>
        text(asRecord(statusOf(object)["nodeInfo"])[name], "<unknown>");
const address =
    (type: string) =>
    (object: KubeObject): string =>
        text(asRecords(statusOf(object)["addresses"]).find((one) => one["type"] === type)?.["address"], "<none>");

export const nodeColumns: readonly Column[] = [
    nameColumn,
    stringColumn("Status", nodeStatus),
    stringColumn("Roles", nodeRoles),
    ageColumn,
    stringColumn("Version", (object) => text(asRecord(statusOf(object)["nodeInfo"])["kubeletVersion"])),
    stringColumn("Internal-IP", address("InternalIP"), 1),
    stringColumn("External-IP", address("ExternalIP"), 1),
    stringColumn("OS-Image", nodeInfo("osImage"), 1),
    stringColumn("Kernel-Version", nodeInfo("kernelVersion"), 1),
    stringColumn("Container-Runtime", nodeInfo("containerRuntimeVersion"), 1),
];

export const namespaceColumns: readonly Column[] = [
    nameColumn,
    stringColumn("Status", field("phase", statusOf, "Active")),
    ageColumn,
];

const dataCount = (object: KubeObject): number =>
    Object.keys(asRecord(object["data"])).length + Object.keys(asRecord(object["binaryData"])).length;
export const configMapColumns: readonly Column[] = [nameColumn, numberColumn("Data", dataCount), ageColumn];
export const secretColumns: readonly Column[] = [
    nameColumn,
    stringColumn("Type", (object) => text(object["type"])),
    numberColumn("Data", dataCount),
    ageColumn,
];
export const serviceAccountColumns: readonly Column[] = [
    nameColumn,
    numberColumn("Secrets", (object) => asRecords(object["secrets"]).length),
    ageColumn,
];

function lastSeen(object: KubeObject): unknown {
    const series = asRecord(object["series"]);
    return (
        series["lastObservedTime"] ??
        object["lastTimestamp"] ??
        object["deprecatedLastTimestamp"] ??
        object["eventTime"] ??
        object["firstTimestamp"] ??
        object.metadata.creationTimestamp
    );
}

const involved = (object: KubeObject): Record<string, unknown> =>
    asRecord(object["involvedObject"] ?? object["regarding"]);
const eventSource = (object: KubeObject): string => {
    const source = asRecord(object["source"] ?? object["deprecatedSource"]);
    const component = text(source["component"] || object["reportingComponent"] || object["reportingController"]);
    return source["host"] ? `${component}, ${text(source["host"])}` : component;
};

export const eventColumns: readonly Column[] = [
    sinceColumn("Last Seen", lastSeen),
    stringColumn("Type", (object) => text(object["type"])),
    stringColumn("Reason", (object) => text(object["reason"])),
    stringColumn(
        "Object",
        (object) => `${text(involved(object)["kind"]).toLowerCase()}/${text(involved(object)["name"])}`,
    ),
    stringColumn("Subobject", (object) => text(involved(object)["fieldPath"]), 1),
    stringColumn("Source", eventSource, 1),
    stringColumn("Message", (object) => text(object["message"] ?? object["note"]).trim()),
    {
        ...sinceColumn(
            "First Seen",
            (object) =>
                object["firstTimestamp"] ??
                object["deprecatedFirstTimestamp"] ??
                object["eventTime"] ??
                object.metadata.creationTimestamp,
        ),
        priority: 1,
    },
    {
        ...numberColumn("Count", (object) => count(asRecord(object["series"])["count"]) || count(object["count"]) || 1),
        priority: 1,
    },
    { ...stringColumn("Name", (object) => object.metadata.name), priority: 1 },
];

function servicePorts(object: KubeObject): string {
    return none(
        asRecords(specOf(object)["ports"]).map(
            ({ port, nodePort, protocol }) =>
                `${text(port)}${nodePort ? `:${text(nodePort)}` : ""}/${text(protocol, "TCP")}`,
        ),
    );
}

function externalIp(object: KubeObject): string {
    const { type, externalName, externalIPs } = specOf(object);
    if (type === "ExternalName") return text(externalName);
    const ips = Array.isArray(externalIPs) ? externalIPs.map(String) : [];
    const ingress = asRecords(asRecord(statusOf(object)["loadBalancer"])["ingress"]).map(({ ip, hostname }) =>
        text(ip ?? hostname),
    );
    if (type === "LoadBalancer" && ips.length + ingress.length === 0) return "<pending>";
    return none([...ingress, ...ips]);
}

export const serviceColumns: readonly Column[] = [
    nameColumn,
    stringColumn("Type", field("type", specOf)),
    stringColumn("Cluster-IP", field("clusterIP", specOf, "<none>")),
    stringColumn("External-IP", externalIp),
    stringColumn("Port(s)", servicePorts),
    ageColumn,
    stringColumn(
        "Selector",
        (object) => none(Object.entries(asTexts(specOf(object)["selector"])).map(([key, value]) => `${key}=${value}`)),
        1,
    ),
];

export const endpointsColumns: readonly Column[] = [
    nameColumn,
    stringColumn("Endpoints", (object) => {
        const all = asRecords(object["subsets"]).flatMap((subset) => {
            const ports = asRecords(subset["ports"]);
            return asRecords(subset["addresses"]).flatMap(({ ip }) =>
                ports.length === 0 ? [text(ip)] : ports.map(({ port }) => `${text(ip)}:${text(port)}`),
            );
        });
        const shown = all.slice(0, 3).join(",");
        return all.length > 3 ? `${shown} + ${all.length - 3} more...` : none(all);
    }),
    ageColumn,
];

export const leaseColumns: readonly Column[] = [
    nameColumn,
    stringColumn("Holder", field("holderIdentity", specOf)),
    ageColumn,
];
export const runtimeClassColumns: readonly Column[] = [
    nameColumn,
    stringColumn("Handler", (object) => text(object["handler"])),
    ageColumn,
];
export const storageClassColumns: readonly Column[] = [
    nameColumn,
    stringColumn("Provisioner", (object) => text(object["provisioner"])),
    stringColumn("ReclaimPolicy", (object) => text(object["reclaimPolicy"], "Delete")),
    stringColumn("VolumeBindingMode", (object) => text(object["volumeBindingMode"], "Immediate")),
    {
        name: "AllowVolumeExpansion",
        type: "boolean",
        priority: 0,
        value: (object) => object["allowVolumeExpansion"] === true,
    },
    ageColumn,
];
export const priorityClassColumns: readonly Column[] = [
    nameColumn,
    numberColumn("Value", (object) => count(object["value"])),
    { name: "Global-Default", type: "boolean", priority: 0, value: (object) => object["globalDefault"] === true },
    ageColumn,
];
const roleRef = (object: KubeObject): string =>
    `${text(asRecord(object["roleRef"])["kind"])}/${text(asRecord(object["roleRef"])["name"])}`;
export const bindingColumns: readonly Column[] = [nameColumn, stringColumn("Role", roleRef), ageColumn];
export const crdColumns: readonly Column[] = [
    nameColumn,
    { name: "Created At", type: "date", priority: 0, value: (object) => object.metadata.creationTimestamp ?? null },
];

export const deploymentColumns: readonly Column[] = [
    nameColumn,
    stringColumn(
        "Ready",
        (object) => `${count(statusOf(object)["readyReplicas"])}/${count(specOf(object)["replicas"])}`,
    ),
    numberColumn("Up-to-date", (object) => count(statusOf(object)["updatedReplicas"])),
    numberColumn("Available", (object) => count(statusOf(object)["availableReplicas"])),
    ageColumn,
    ...templateColumns,
];
export const replicaSetColumns: readonly Column[] = [
    nameColumn,
    numberColumn("Desired", (object) => count(specOf(object)["replicas"])),
    numberColumn("Current", (object) => count(statusOf(object)["replicas"])),
    numberColumn("Ready", (object) => count(statusOf(object)["readyReplicas"])),
    ageColumn,
    ...templateColumns,
];
export const daemonSetColumns: readonly Column[] = [
    nameColumn,
    numberColumn("Desired", (object) => count(statusOf(object)["desiredNumberScheduled"])),
    numberColumn("Current", (object) => count(statusOf(object)["currentNumberScheduled"])),
    numberColumn("Ready", (object) => count(statusOf(object)["numberReady"])),
    numberColumn("Up-to-date", (object) => count(statusOf(object)["updatedNumberScheduled"])),
    numberColumn("Available", (object) => count(statusOf(object)["numberAvailable"])),
    stringColumn("Node Selector", (object) =>
        none(
            Object.entries(asTexts(asRecord(asRecord(specOf(object)["template"])["spec"])["nodeSelector"])).map(
                ([key, value]) => `${key}=${value}`,
            ),
        ),
    ),
    ageColumn,
    ...templateColumns,
];
export const statefulSetColumns: readonly Column[] = [
    nameColumn,
    stringColumn(
        "Ready",
        (object) => `${count(statusOf(object)["readyReplicas"])}/${count(specOf(object)["replicas"])}`,
    ),
    ageColumn,
    ...templateColumns.slice(0, 2),
];
export const controllerRevisionColumns: readonly Column[] = [
    nameColumn,
    stringColumn("Controller", (object) => {
        const owner = object.metadata.ownerReferences?.find((one) => one.controller === true);
        return owner === undefined
            ? "<none>"
            : `${owner.kind.toLowerCase()}.${owner.apiVersion.split("/")[0] ?? ""}/${owner.name}`;
    }),
    numberColumn("Revision", (object) => count(object["revision"])),
    ageColumn,
];
export const csrColumns: readonly Column[] = [
    nameColumn,
    stringColumn("Age", (object, nowMs) => age(object.metadata.creationTimestamp, nowMs)),
    stringColumn("SignerName", field("signerName", specOf)),
    stringColumn("Requestor", field("username", specOf)),
    stringColumn("Condition", (object) =>
        none(asRecords(statusOf(object)["conditions"]).map((one) => text(one["type"]))).replace("<none>", "Pending"),
    ),
];
