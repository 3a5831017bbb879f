// SPDX-License-Identifier: Apache-2.0

/** The parts of metav1.ObjectMeta that Redge reads or writes; others are carried along untouched. */
export interface ObjectMeta {
    name: string;
    namespace?: string;
    generateName?: string;
    uid?: string;
    resourceVersion?: string;
    generation?: number;
    creationTimestamp?: string | null;
    deletionTimestamp?: string;
    deletionGracePeriodSeconds?: number;
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
    ownerReferences?: OwnerReference[];
    finalizers?: string[];
    [field: string]: unknown;
}

export interface OwnerReference {
    apiVersion: string;
    kind: string;
    name: string;
    uid: string;
    controller?: boolean;
    blockOwnerDeletion?: boolean;
}

/** Any Kubernetes object. Narrow with a parser at the boundary where its fields are used. */
export interface KubeObject {
    apiVersion: string;
    kind: string;
    metadata: ObjectMeta;
    [field: string]: unknown;
}

export interface KubeList<T extends KubeObject = KubeObject> {
    apiVersion: string;
    kind: string;
    metadata: { resourceVersion?: string; continue?: string; remainingItemCount?: number };
    items: T[];
}

/** metav1.Status, the body of every failure. */
export interface KubeStatus {
    kind: "Status";
    apiVersion: "v1";
    metadata: Record<string, unknown>;
    status: "Success" | "Failure";
    message?: string;
    reason?: string;
    details?: Record<string, unknown>;
    code?: number;
}

/** One served resource. `group` is "" for the core group. */
export interface ResourceType {
    readonly group: string;
    readonly version: string;
    readonly kind: string;
    readonly plural: string;
    readonly namespaced: boolean;
}

/** "v1" or "apps/v1". */
export function apiVersionOf(type: ResourceType): string {
    return type.group === "" ? type.version : `${type.group}/${type.version}`;
}

/** The resources that Redge itself works with. */
export const Kinds = {
    namespace: { group: "", version: "v1", kind: "Namespace", plural: "namespaces", namespaced: false },
    node: { group: "", version: "v1", kind: "Node", plural: "nodes", namespaced: false },
    pod: { group: "", version: "v1", kind: "Pod", plural: "pods", namespaced: true },
    configMap: { group: "", version: "v1", kind: "ConfigMap", plural: "configmaps", namespaced: true },
    secret: { group: "", version: "v1", kind: "Secret", plural: "secrets", namespaced: true },
    event: { group: "", version: "v1", kind: "Event", plural: "events", namespaced: true },
    service: { group: "", version: "v1", kind: "Service", plural: "services", namespaced: true },
    endpoints: { group: "", version: "v1", kind: "Endpoints", plural: "endpoints", namespaced: true },
    serviceAccount: { group: "", version: "v1", kind: "ServiceAccount", plural: "serviceaccounts", namespaced: true },
    lease: { group: "coordination.k8s.io", version: "v1", kind: "Lease", plural: "leases", namespaced: true },
    runtimeClass: {
        group: "node.k8s.io",
        version: "v1",
        kind: "RuntimeClass",
        plural: "runtimeclasses",
        namespaced: false,
    },
    deployment: { group: "apps", version: "v1", kind: "Deployment", plural: "deployments", namespaced: true },
    replicaSet: { group: "apps", version: "v1", kind: "ReplicaSet", plural: "replicasets", namespaced: true },
    daemonSet: { group: "apps", version: "v1", kind: "DaemonSet", plural: "daemonsets", namespaced: true },
    customResourceDefinition: {
        group: "apiextensions.k8s.io",
        version: "v1",
        kind: "CustomResourceDefinition",
        plural: "customresourcedefinitions",
        namespaced: false,
    },
    device: { group: "devices.kubeedge.io", version: "v1beta1", kind: "Device", plural: "devices", namespaced: true },
    deviceModel: {
        group: "devices.kubeedge.io",
        version: "v1beta1",
        kind: "DeviceModel",
        plural: "devicemodels",
        namespaced: true,
    },
    deviceStatus: {
        group: "devices.kubeedge.io",
        version: "v1beta1",
        kind: "DeviceStatus",
        plural: "devicestatuses",
        namespaced: true,
    },
    rule: { group: "rules.kubeedge.io", version: "v1", kind: "Rule", plural: "rules", namespaced: true },
    ruleEndpoint: {
        group: "rules.kubeedge.io",
        version: "v1",
        kind: "RuleEndpoint",
        plural: "ruleendpoints",
        namespaced: true,
    },
    objectSync: {
        group: "reliablesyncs.kubeedge.io",
        version: "v1alpha1",
        kind: "ObjectSync",
        plural: "objectsyncs",
        namespaced: true,
    },
    clusterObjectSync: {
        group: "reliablesyncs.kubeedge.io",
        version: "v1alpha1",
        kind: "ClusterObjectSync",
        plural: "clusterobjectsyncs",
        namespaced: false,
    },
} as const satisfies Record<string, ResourceType>;
