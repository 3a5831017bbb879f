// SPDX-License-Identifier: Apache-2.0
import type { KubeObject, ResourceType } from "../../kube/types.ts";

const GROUP = "rbac.authorization.k8s.io";
const API_VERSION = `${GROUP}/v1`;
export const ClusterRoleType: ResourceType = {
    group: GROUP,
    version: "v1",
    kind: "ClusterRole",
    plural: "clusterroles",
    namespaced: false,
};
export const ClusterRoleBindingType: ResourceType = {
    ...ClusterRoleType,
    kind: "ClusterRoleBinding",
    plural: "clusterrolebindings",
};

interface Rule {
    readonly apiGroups: readonly string[];
    readonly resources: readonly string[];
    readonly verbs: readonly string[];
}

const READ = ["get", "list", "watch"];
const WRITE = ["create", "update", "patch", "delete", "deletecollection"];
const ALL = [...READ, ...WRITE];
/** What users of a namespace work with; Secrets and service accounts apart. */
const WORKLOADS = [
    "configmaps",
    "endpoints",
    "events",
    "persistentvolumeclaims",
    "pods",
    "pods/log",
    "pods/status",
    "services",
];
const APPS = [
    "controllerrevisions",
    "daemonsets",
    "deployments",
    "deployments/scale",
    "replicasets",
    "replicasets/scale",
    "statefulsets",
];
const STREAMS = ["pods/attach", "pods/exec", "pods/portforward", "pods/eviction"];

const rule = (verbs: readonly string[], apiGroup: string, ...resources: string[]): Rule => ({
    apiGroups: [apiGroup],
    resources,
    verbs,
});

const onWorkloads = (verbs: readonly string[]): Rule[] => [
    rule(verbs, "", ...WORKLOADS),
    rule(verbs, "apps", ...APPS),
    rule(verbs, "batch", "jobs"),
    rule(verbs, "devices.kubeedge.io", "devices", "devicemodels", "devicestatuses"),
];
const editing = [
    ...onWorkloads(ALL),
    rule(ALL, "", "secrets", "serviceaccounts"),
    rule(["create", "get"], "", ...STREAMS),
];

/** The roles every Kubernetes cluster has for people, and what a node may read. */
const ROLES: Readonly<Record<string, readonly Rule[]>> = {
    "cluster-admin": [rule(["*"], "*", "*")],
    view: [rule(READ, "", "namespaces", "serviceaccounts"), ...onWorkloads(READ)],
    edit: editing,
    admin: [...editing, rule(ALL, GROUP, "roles", "rolebindings"), rule(READ, "", "namespaces")],
    "system:node": [rule(READ, "", "services", "endpoints", "nodes"), rule(READ, "node.k8s.io", "runtimeclasses")],
};

const NODES = "system:node";

export const defaultRoles: readonly KubeObject[] = Object.entries(ROLES).map(([name, rules]) => ({
    apiVersion: API_VERSION,
    kind: "ClusterRole",
    metadata: { name, labels: { "kubernetes.io/bootstrapping": "rbac-defaults" } },
    rules,
}));

export const defaultRoleBindings: readonly KubeObject[] = [
    { name: "cluster-admin", role: "cluster-admin", group: "system:masters" },
    { name: NODES, role: NODES, group: "system:nodes" },
].map(({ name, role, group }) => ({
    apiVersion: API_VERSION,
    kind: "ClusterRoleBinding",
    metadata: { name, labels: { "kubernetes.io/bootstrapping": "rbac-defaults" } },
    roleRef: { apiGroup: GROUP, kind: "ClusterRole", name: role },
    subjects: [{ apiGroup: GROUP, kind: "Group", name: group }],
}));
