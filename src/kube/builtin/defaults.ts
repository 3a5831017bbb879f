// SPDX-License-Identifier: Apache-2.0
import { asRecord, asRecords, asText, isRecord, type JsonRecord } from "../../core/json.ts";
import type { KubeObject } from "../types.ts";

/** Fills what a client may leave out of the built-in kinds, as the API documents it. */

function fill(target: JsonRecord, defaults: JsonRecord): void {
    for (const [key, value] of Object.entries(defaults))
        if (target[key] === undefined || target[key] === null) target[key] = value;
}

/** The object at `key`, made when it is not there. */
function child(target: JsonRecord, key: string): JsonRecord {
    if (!isRecord(target[key])) target[key] = {};
    return asRecord(target[key]);
}

const FILE_MODE = 0o644;
const VOLUME_MODES = ["configMap", "secret", "downwardAPI", "projected"];

function defaultPullPolicy(image: unknown): string {
    const name = String(image ?? "");
    const tag = /:([^/:@]+)$/.exec(name.split("@")[0] ?? "")?.[1];
    return name.includes("@") || (tag !== undefined && tag !== "latest") ? "IfNotPresent" : "Always";
}

function defaultContainer(container: JsonRecord): void {
    fill(container, {
        resources: {},
        terminationMessagePath: "/dev/termination-log",
        terminationMessagePolicy: "File",
        imagePullPolicy: defaultPullPolicy(container["image"]),
    });
    for (const port of asRecords(container["ports"])) fill(port, { protocol: "TCP" });
    for (const variable of asRecords(container["env"])) {
        const fieldRef = asRecord(variable["valueFrom"])["fieldRef"];
        if (isRecord(fieldRef)) fill(fieldRef, { apiVersion: "v1" });
    }
    for (const name of ["livenessProbe", "readinessProbe", "startupProbe"]) {
        const probe = container[name];
        if (!isRecord(probe)) continue;
        fill(probe, { timeoutSeconds: 1, periodSeconds: 10, successThreshold: 1, failureThreshold: 3 });
        if (isRecord(probe["httpGet"])) fill(probe["httpGet"], { path: "/", scheme: "HTTP" });
    }
    const resources = asRecord(container["resources"]);
    if (isRecord(resources["limits"])) {
        const requests = child(resources, "requests");
        fill(requests, asRecord(resources["limits"]));
    }
}

export function defaultPodSpec(spec: JsonRecord): void {
    fill(spec, {
        restartPolicy: "Always",
        dnsPolicy: "ClusterFirst",
        terminationGracePeriodSeconds: 30,
        schedulerName: "default-scheduler",
        securityContext: {},
    });
    if (spec["serviceAccountName"] === undefined && spec["serviceAccount"] !== undefined) {
        spec["serviceAccountName"] = spec["serviceAccount"];
    } else if (spec["serviceAccountName"] !== undefined) spec["serviceAccount"] = spec["serviceAccountName"];
    for (const container of [...asRecords(spec["initContainers"]), ...asRecords(spec["containers"])])
        defaultContainer(container);
    for (const volume of asRecords(spec["volumes"])) {
        if (Object.keys(volume).length === 1) volume["emptyDir"] = {};
        for (const kind of VOLUME_MODES) if (isRecord(volume[kind])) fill(volume[kind], { defaultMode: FILE_MODE });
        const hostPath = volume["hostPath"];
        if (isRecord(hostPath)) fill(hostPath, { type: "" });
        for (const source of asRecords(asRecord(volume["projected"])["sources"])) {
            if (isRecord(source["serviceAccountToken"]))
                fill(source["serviceAccountToken"], { expirationSeconds: 3600 });
        }
    }
}

export function defaultPod(object: KubeObject): void {
    const spec = child(object, "spec");
    defaultPodSpec(spec);
    fill(spec, { enableServiceLinks: true });
    const { status } = object;
    if (isRecord(status) && asText(status["podIP"]) !== undefined) fill(status, { podIPs: [{ ip: status["podIP"] }] });
}

/** A node that says nothing else offers all it has. */
export function defaultNode(object: KubeObject): void {
    const { status } = object;
    if (isRecord(status) && isRecord(status["capacity"])) fill(status, { allocatable: status["capacity"] });
}

function defaultTemplate(spec: JsonRecord): void {
    const template = child(spec, "template");
    child(template, "metadata");
    defaultPodSpec(child(template, "spec"));
}

export function defaultDeployment(object: KubeObject): void {
    const spec = child(object, "spec");
    fill(spec, { replicas: 1, revisionHistoryLimit: 10, progressDeadlineSeconds: 600 });
    const strategy = child(spec, "strategy");
    fill(strategy, { type: "RollingUpdate" });
    if (strategy["type"] === "RollingUpdate")
        fill(child(strategy, "rollingUpdate"), { maxUnavailable: "25%", maxSurge: "25%" });
    defaultTemplate(spec);
}

export function defaultReplicaSet(object: KubeObject): void {
    const spec = child(object, "spec");
    fill(spec, { replicas: 1 });
    defaultTemplate(spec);
}

export function defaultDaemonSet(object: KubeObject): void {
    const spec = child(object, "spec");
    fill(spec, { revisionHistoryLimit: 10 });
    const strategy = child(spec, "updateStrategy");
    fill(strategy, { type: "RollingUpdate" });
    if (strategy["type"] === "RollingUpdate")
        fill(child(strategy, "rollingUpdate"), { maxUnavailable: 1, maxSurge: 0 });
    defaultTemplate(spec);
}

export function defaultStatefulSet(object: KubeObject): void {
    const spec = child(object, "spec");
    fill(spec, { replicas: 1, revisionHistoryLimit: 10, podManagementPolicy: "OrderedReady" });
    const strategy = child(spec, "updateStrategy");
    fill(strategy, { type: "RollingUpdate" });
    defaultTemplate(spec);
}

export function defaultJob(object: KubeObject): void {
    const spec = child(object, "spec");
    if (spec["parallelism"] === undefined && spec["completions"] === undefined)
        fill(spec, { completions: 1, parallelism: 1 });
    fill(spec, { parallelism: 1, backoffLimit: 6, completionMode: "NonIndexed", suspend: false });
    defaultTemplate(spec);
}

export function defaultService(object: KubeObject): void {
    const spec = child(object, "spec");
    fill(spec, { type: "ClusterIP", sessionAffinity: "None" });
    if (spec["type"] !== "ExternalName") fill(spec, { internalTrafficPolicy: "Cluster" });
    for (const port of asRecords(spec["ports"])) {
        fill(port, { protocol: "TCP" });
        fill(port, { targetPort: port["port"] });
    }
}

export function defaultSecret(object: KubeObject): void {
    fill(object, { type: "Opaque" });
    const texts = asRecord(object["stringData"]);
    const data = Object.entries(texts).map(([key, value]) => [key, Buffer.from(String(value)).toString("base64")]);
    if (data.length > 0) object["data"] = { ...asRecord(object["data"]), ...Object.fromEntries(data) };
    delete object["stringData"];
}

export function defaultNamespace(object: KubeObject): void {
    const { metadata } = object;
    metadata.labels = { ...metadata.labels, "kubernetes.io/metadata.name": metadata.name };
}

export function defaultEndpoints(object: KubeObject): void {
    for (const subset of asRecords(object["subsets"]))
        for (const port of asRecords(subset["ports"])) fill(port, { protocol: "TCP" });
}

export function defaultPersistentVolumeClaim(object: KubeObject): void {
    fill(child(object, "spec"), { volumeMode: "Filesystem" });
    fill(child(object, "status"), { phase: "Pending" });
}

export function defaultPersistentVolume(object: KubeObject): void {
    fill(child(object, "spec"), { volumeMode: "Filesystem", persistentVolumeReclaimPolicy: "Retain" });
    fill(child(object, "status"), { phase: "Available" });
}

export function defaultStorageClass(object: KubeObject): void {
    fill(object, { reclaimPolicy: "Delete", volumeBindingMode: "Immediate" });
}

export function defaultRoleRefs(object: KubeObject): void {
    const roleRef = object["roleRef"];
    if (isRecord(roleRef)) fill(roleRef, { apiGroup: "rbac.authorization.k8s.io" });
    for (const subject of asRecords(object["subjects"])) {
        fill(subject, { apiGroup: subject["kind"] === "ServiceAccount" ? undefined : "rbac.authorization.k8s.io" });
    }
}
