// SPDX-License-Identifier: Apache-2.0
import { builtinSchema } from "../openapi/builtin.ts";
import { ALL_VERBS, type ServedResource, type Strategy, type Subresource, type Verb } from "../rest/resources.ts";
import type { FieldPaths } from "../selectors/fields.ts";
import * as columns from "../tables/cluster.ts";
import { jobColumns, podColumns } from "../tables/pods.ts";
import { type Column, defaultColumns } from "../tables/table.ts";
import * as defaults from "./defaults.ts";
import { fromCoreEvent, toCoreEvent } from "./events.ts";
import { schemaStrategy } from "./strategy.ts";
import { countTemplates } from "./template-generation.ts";
import * as rules from "./validate.ts";

interface Definition {
    readonly group?: string;
    readonly version?: string;
    readonly kind: string;
    readonly plural?: string;
    readonly cluster?: true;
    readonly shortNames?: readonly string[];
    readonly categories?: readonly string[];
    /** status: through its own subresource; counted: metadata.generation. */
    readonly status?: true;
    readonly counted?: true;
    readonly scale?: true;
    readonly columns?: readonly Column[];
    readonly selectable?: FieldPaths;
    readonly strategy?: Strategy;
    readonly subresources?: readonly Subresource[];
    readonly verbs?: readonly Verb[];
}

const STATUS: Subresource = { name: "status", verbs: ["get", "patch", "update"] };
const SCALE: Subresource = {
    name: "scale",
    verbs: ["get", "patch", "update"],
    kind: { group: "autoscaling", version: "v1", kind: "Scale" },
};
const same = (...paths: string[]): FieldPaths => Object.fromEntries(paths.map((path) => [path, path]));
const posts = (name: string, group: string, version: string, kind: string): Subresource => ({
    name,
    verbs: ["create"],
    kind: { group, version, kind },
});
const stream = (name: string, kind: string): Subresource => ({
    name,
    verbs: ["create", "get"],
    kind: { group: "", version: "v1", kind },
});

const involved = ["kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath"];
const eventFields = (holder: string, shown: string): FieldPaths =>
    Object.fromEntries(involved.map((field) => [`${shown}.${field}`, `${holder}.${field}`]));
const coreEventFields: FieldPaths = {
    ...eventFields("involvedObject", "involvedObject"),
    ...same("reason", "type", "reportingComponent"),
    source: "source.component",
};

const APPS = { group: "apps", version: "v1" };
const RBAC = { group: "rbac.authorization.k8s.io", version: "v1" };
const AUTHZ = { group: "authorization.k8s.io", version: "v1", cluster: true, verbs: ["create"] } as const;
const STORAGE = { group: "storage.k8s.io", version: "v1", cluster: true } as const;
const all = ["all"];
const workload = { status: true, counted: true, scale: true, categories: all } as const;
const approval: Subresource = { name: "approval", verbs: ["get", "patch", "update"] };

const DEFINITIONS: readonly Definition[] = [
    {
        kind: "Namespace",
        cluster: true,
        shortNames: ["ns"],
        status: true,
        columns: columns.namespaceColumns,
        selectable: same("status.phase"),
        strategy: { default: defaults.defaultNamespace },
        subresources: [{ name: "finalize", verbs: ["update"] }],
    },
    {
        kind: "Node",
        cluster: true,
        shortNames: ["no"],
        status: true,
        columns: columns.nodeColumns,
        selectable: same("spec.unschedulable"),
        strategy: { default: defaults.defaultNode, validate: rules.validateNode },
        subresources: [stream("proxy", "NodeProxyOptions")],
    },
    {
        kind: "Pod",
        shortNames: ["po"],
        categories: all,
        status: true,
        counted: true,
        columns: podColumns,
        selectable: same(
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.nominatedNodeName",
        ),
        strategy: { default: defaults.defaultPod, validate: rules.validatePod },
        subresources: [
            stream("attach", "PodAttachOptions"),
            posts("binding", "", "v1", "Binding"),
            posts("eviction", "policy", "v1", "Eviction"),
            { name: "ephemeralcontainers", verbs: ["get", "patch", "update"] },
            stream("exec", "PodExecOptions"),
            { name: "log", verbs: ["get"] },
            stream("portforward", "PodPortForwardOptions"),
            stream("proxy", "PodProxyOptions"),
        ],
    },
    {
        kind: "ConfigMap",
        shortNames: ["cm"],
        columns: columns.configMapColumns,
        strategy: { validate: rules.validateData },
    },
    {
        kind: "Secret",
        columns: columns.secretColumns,
        selectable: same("type"),
        strategy: { default: defaults.defaultSecret, validate: rules.validateData },
    },
    { kind: "Event", shortNames: ["ev"], columns: columns.eventColumns, selectable: coreEventFields },
    {
        kind: "Service",
        shortNames: ["svc"],
        categories: all,
        status: true,
        columns: columns.serviceColumns,
        selectable: same("spec.clusterIP", "spec.type"),
        strategy: { default: defaults.defaultService, validate: rules.validateService },
    },
    {
        kind: "Endpoints",
        plural: "endpoints",
        shortNames: ["ep"],
        columns: columns.endpointsColumns,
        strategy: { default: defaults.defaultEndpoints },
    },
    {
        kind: "ServiceAccount",
        shortNames: ["sa"],
        columns: columns.serviceAccountColumns,
        subresources: [posts("token", "authentication.k8s.io", "v1", "TokenRequest")],
    },
    {
        kind: "PersistentVolume",
        cluster: true,
        shortNames: ["pv"],
        status: true,
        strategy: { default: defaults.defaultPersistentVolume },
    },
    {
        kind: "PersistentVolumeClaim",
        shortNames: ["pvc"],
        status: true,
        strategy: { default: defaults.defaultPersistentVolumeClaim },
    },
    { kind: "ResourceQuota", shortNames: ["quota"], status: true },
    { kind: "LimitRange", plural: "limitranges", shortNames: ["limits"] },
    { kind: "Binding", verbs: ["create"] },
    {
        ...APPS,
        ...workload,
        kind: "Deployment",
        shortNames: ["deploy"],
        columns: columns.deploymentColumns,
        strategy: { default: defaults.defaultDeployment, validate: rules.validateWorkload },
    },
    {
        ...APPS,
        ...workload,
        kind: "ReplicaSet",
        shortNames: ["rs"],
        columns: columns.replicaSetColumns,
        selectable: same("status.replicas"),
        strategy: { default: defaults.defaultReplicaSet, validate: rules.validateWorkload },
    },
    {
        ...APPS,
        kind: "DaemonSet",
        shortNames: ["ds"],
        categories: all,
        status: true,
        counted: true,
        columns: columns.daemonSetColumns,
        strategy: { default: defaults.defaultDaemonSet, validate: rules.validateWorkload, ...countTemplates },
    },
    {
        ...APPS,
        ...workload,
        kind: "StatefulSet",
        shortNames: ["sts"],
        columns: columns.statefulSetColumns,
        strategy: { default: defaults.defaultStatefulSet, validate: rules.validateWorkload },
    },
    { ...APPS, kind: "ControllerRevision", columns: columns.controllerRevisionColumns },
    {
        group: "batch",
        version: "v1",
        kind: "Job",
        categories: all,
        status: true,
        counted: true,
        columns: jobColumns,
        selectable: same("status.successful"),
        strategy: { default: defaults.defaultJob, validate: rules.validateWorkload },
    },
    { group: "coordination.k8s.io", version: "v1", kind: "Lease", columns: columns.leaseColumns },
    {
        group: "node.k8s.io",
        version: "v1",
        kind: "RuntimeClass",
        plural: "runtimeclasses",
        cluster: true,
        columns: columns.runtimeClassColumns,
        strategy: { validate: rules.validateRuntimeClass },
    },
    {
        group: "scheduling.k8s.io",
        version: "v1",
        kind: "PriorityClass",
        plural: "priorityclasses",
        cluster: true,
        shortNames: ["pc"],
        columns: columns.priorityClassColumns,
    },
    {
        ...STORAGE,
        kind: "StorageClass",
        plural: "storageclasses",
        shortNames: ["sc"],
        columns: columns.storageClassColumns,
        strategy: { default: defaults.defaultStorageClass },
    },
    { ...STORAGE, kind: "VolumeAttachment", status: true },
    { ...STORAGE, kind: "CSIDriver" },
    { ...STORAGE, kind: "CSINode" },
    {
        group: "certificates.k8s.io",
        version: "v1",
        kind: "CertificateSigningRequest",
        cluster: true,
        shortNames: ["csr"],
        status: true,
        columns: columns.csrColumns,
        selectable: same("spec.signerName"),
        subresources: [approval],
    },
    { ...RBAC, kind: "Role" },
    {
        ...RBAC,
        kind: "RoleBinding",
        columns: columns.bindingColumns,
        strategy: { default: defaults.defaultRoleRefs, validate: rules.validateRoleBinding },
    },
    { ...RBAC, kind: "ClusterRole", cluster: true },
    {
        ...RBAC,
        kind: "ClusterRoleBinding",
        cluster: true,
        columns: columns.bindingColumns,
        strategy: { default: defaults.defaultRoleRefs, validate: rules.validateRoleBinding },
    },
    { ...AUTHZ, kind: "SelfSubjectAccessReview" },
    { ...AUTHZ, kind: "SelfSubjectRulesReview" },
    { ...AUTHZ, kind: "SubjectAccessReview" },
    { group: "authentication.k8s.io", version: "v1", kind: "TokenReview", cluster: true, verbs: ["create"] },
    { group: "authentication.k8s.io", version: "v1", kind: "SelfSubjectReview", cluster: true, verbs: ["create"] },
    {
        group: "apiextensions.k8s.io",
        version: "v1",
        kind: "CustomResourceDefinition",
        cluster: true,
        shortNames: ["crd", "crds"],
        categories: ["api-extensions"],
        status: true,
        counted: true,
        columns: columns.crdColumns,
    },
];

/** `more` adds rules that need the rest of the cluster (allocation, look-ups) to a kind of the core table. */
export function builtinResources(more: Readonly<Record<string, Strategy>> = {}): ServedResource[] {
    const served = DEFINITIONS.map((definition) => serve(definition, more[definition.kind] ?? {}));
    const event = served.find((one) => one.kind === "Event");
    return event === undefined ? served : [...served, modernEvents(event)];
}

function serve(definition: Definition, more: Strategy): ServedResource {
    const { kind, group = "", version = "v1" } = definition;
    const singular = kind.toLowerCase();
    const schema = builtinSchema({ group, version, kind });
    const subresources = [...(definition.subresources ?? [])];
    if (definition.status) subresources.push(STATUS);
    if (definition.scale) subresources.push(SCALE);
    return {
        group,
        version,
        kind,
        plural: definition.plural ?? `${singular}s`,
        singular,
        listKind: `${kind}List`,
        namespaced: definition.cluster !== true,
        shortNames: definition.shortNames ?? [],
        categories: definition.categories ?? [],
        verbs: definition.verbs ?? ALL_VERBS,
        subresources: subresources.sort((a, b) => (a.name < b.name ? -1 : 1)),
        hasStatus: definition.status === true,
        bornWithStatus: definition.kind === "Node",
        hasGeneration: definition.counted === true,
        statusCarriesMetadata: true,
        selectable: definition.selectable ?? {},
        columns: definition.columns ?? defaultColumns,
        strategy: schemaStrategy(kind, version, schema, { ...definition.strategy, ...more }),
        mergeSchema: schema,
    };
}

/** events.k8s.io/v1: the same events under newer names. */
function modernEvents(core: ServedResource): ServedResource {
    return {
        ...core,
        group: "events.k8s.io",
        storedAs: { group: "", plural: "events" },
        selectable: {
            ...eventFields("involvedObject", "regarding"),
            ...same("reason", "type"),
            reportingController: "reportingComponent",
        },
        mergeSchema: builtinSchema({ group: "events.k8s.io", version: "v1", kind: "Event" }),
        present: fromCoreEvent,
        absorb: toCoreEvent,
    };
}
