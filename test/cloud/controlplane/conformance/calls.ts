// SPDX-License-Identifier: Apache-2.0

/** One request that both API servers get, in order; later ones see what earlier ones left. */
export interface Call {
    readonly name: string;
    readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
    readonly path: string;
    readonly body?: unknown;
    readonly contentType?: string;
    readonly accept?: string;
    /** Puts the resourceVersion of the object as the same server last showed it into the body. */
    readonly fresh?: boolean;
}

const NS = "/api/v1/namespaces/conf";
const APPS = "/apis/apps/v1/namespaces/conf";
const TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
const STRATEGIC = "application/strategic-merge-patch+json";
const MERGE = "application/merge-patch+json";
const JSON_PATCH = "application/json-patch+json";

const meta = (name: string, more: Record<string, unknown> = {}): Record<string, unknown> => ({ name, ...more });
const container = (name: string, more: Record<string, unknown> = {}): Record<string, unknown> => ({
    name,
    image: `${name}:1`,
    ...more,
});
const template = { metadata: { labels: { app: "web" } }, spec: { containers: [container("web")] } };
const selector = { matchLabels: { app: "web" } };

export const pod = (
    name: string,
    spec: Record<string, unknown> = {},
    metadata: Record<string, unknown> = {},
): unknown => ({
    apiVersion: "v1",
    kind: "Pod",
    metadata: meta(name, metadata),
    spec: { containers: [container("main")], ...spec },
});
const workload = (kind: string, spec: Record<string, unknown> = {}): unknown => ({
    apiVersion: "apps/v1",
    kind,
    metadata: meta("web", { labels: { tier: "front" } }),
    spec: { selector, template, ...spec },
});
const configMap = (name: string, data: Record<string, string>, metadata: Record<string, unknown> = {}): unknown => ({
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: meta(name, metadata),
    data,
});

const get = (name: string, path: string): Call => ({ name, method: "GET", path });
const table = (name: string, path: string): Call => ({ name: `table of ${name}`, method: "GET", path, accept: TABLE });
const post = (name: string, path: string, body: unknown): Call => ({ name, method: "POST", path, body });
const remove = (name: string, path: string, body?: unknown): Call => ({ name, method: "DELETE", path, body });
const patch = (name: string, path: string, contentType: string, body: unknown): Call => ({
    name,
    method: "PATCH",
    path,
    body,
    contentType,
});

export const calls: readonly Call[] = [
    post("a namespace", "/api/v1/namespaces", { apiVersion: "v1", kind: "Namespace", metadata: meta("conf") }),
    post("the same namespace again", "/api/v1/namespaces", {
        apiVersion: "v1",
        kind: "Namespace",
        metadata: meta("conf"),
    }),
    post("a namespace with a bad name", "/api/v1/namespaces", {
        apiVersion: "v1",
        kind: "Namespace",
        metadata: meta("Bad_Name"),
    }),
    table("namespaces", "/api/v1/namespaces/conf"),

    get("an object that is not there", `${NS}/pods/none`),
    get("a cluster-scoped object that is not there", "/api/v1/nodes/none"),
    get("a resource that is not served", `${NS}/gadgets`),
    get("a path that is not served", "/nothing/here"),
    get("a list with a bad label selector", `${NS}/pods?labelSelector=a%3D%3D%3Db`),
    get("a list by a field nobody can select by", `${NS}/pods?fieldSelector=spec.foo%3Dbar`),
    get("a list with a bad field selector", `${NS}/pods?fieldSelector=oops`),
    get("a list with a bad continue token", `${NS}/pods?limit=1&continue=nonsense`),
    { name: "a method that is not allowed", method: "POST", path: `${NS}/pods/none`, body: {} },
    post("a body that is no object", `${NS}/configmaps`, []),
    post("a body of another kind", `${NS}/configmaps`, pod("a")),
    post("a body without kind", `${NS}/configmaps`, { metadata: meta("a") }),
    post("an object of another namespace", `${NS}/configmaps`, configMap("a", {}, { namespace: "other" })),
    post("an object in a namespace that is not there", "/api/v1/namespaces/none/configmaps", configMap("a", {})),
    post("an object without a name", `${NS}/configmaps`, { apiVersion: "v1", kind: "ConfigMap" }),
    post(
        "an object with a generated name and a resourceVersion",
        `${NS}/configmaps`,
        configMap("a", {}, { resourceVersion: "7" }),
    ),

    post("a ConfigMap", `${NS}/configmaps`, configMap("settings", { a: "1", b: "2" }, { labels: { app: "x" } })),
    post("a ConfigMap with a bad key", `${NS}/configmaps`, configMap("bad", { "a b": "1" })),
    post("a ConfigMap with bad labels", `${NS}/configmaps`, configMap("bad", {}, { labels: { "a/b/c": "-" } })),
    { ...get("a dry run", ""), method: "POST", path: `${NS}/configmaps?dryRun=All`, body: configMap("dry", {}) },
    get("what a dry run left", `${NS}/configmaps/dry`),
    patch("a merge patch", `${NS}/configmaps/settings`, MERGE, { data: { a: null, c: "3" } }),
    patch("a JSON patch", `${NS}/configmaps/settings`, JSON_PATCH, [{ op: "add", path: "/data/d", value: "4" }]),
    patch("a JSON patch whose test fails", `${NS}/configmaps/settings`, JSON_PATCH, [
        { op: "test", path: "/data/d", value: "5" },
    ]),
    patch("a JSON patch of a path that is not there", `${NS}/configmaps/settings`, JSON_PATCH, [
        { op: "remove", path: "/data/zzz" },
    ]),
    patch("a patch of no known type", `${NS}/configmaps/settings`, "application/json", {}),
    patch("a patch of an object that is not there", `${NS}/configmaps/none`, MERGE, {}),
    patch("a patch that renames", `${NS}/configmaps/settings`, MERGE, { metadata: { name: "other" } }),
    patch("a patch with another uid", `${NS}/configmaps/settings`, MERGE, { metadata: { uid: "other" } }),
    patch("a patch with an old resourceVersion", `${NS}/configmaps/settings`, MERGE, {
        metadata: { resourceVersion: "1" },
    }),
    {
        name: "a replace",
        method: "PUT",
        path: `${NS}/configmaps/settings`,
        body: configMap("settings", { z: "26" }),
        fresh: true,
    },
    {
        name: "a replace with an old version",
        method: "PUT",
        path: `${NS}/configmaps/settings`,
        body: configMap("settings", {}, { resourceVersion: "1" }),
    },
    {
        name: "a replace under another name",
        method: "PUT",
        path: `${NS}/configmaps/settings`,
        body: configMap("other", {}),
    },
    {
        name: "a replace of what is not there",
        method: "PUT",
        path: `${NS}/configmaps/none`,
        body: configMap("none", {}),
    },
    patch("making a ConfigMap immutable", `${NS}/configmaps/settings`, MERGE, { immutable: true }),
    patch("a change of an immutable ConfigMap", `${NS}/configmaps/settings`, MERGE, { data: { z: "0" } }),
    get("a list", `${NS}/configmaps?labelSelector=app%3Dx`),
    get("a list by name", `${NS}/configmaps?fieldSelector=metadata.name%3Dsettings`),
    table("configmaps", `${NS}/configmaps?fieldSelector=metadata.name%3Dsettings`),
    remove("a deletion with another uid", `${NS}/configmaps/settings`, { preconditions: { uid: "other" } }),
    remove("a deletion", `${NS}/configmaps/settings`),
    remove("a deletion of what is gone", `${NS}/configmaps/settings`),

    post("a Secret from text", `${NS}/secrets`, {
        apiVersion: "v1",
        kind: "Secret",
        metadata: meta("s"),
        stringData: { a: "b" },
    }),
    post("a Secret that is not base64", `${NS}/secrets`, {
        apiVersion: "v1",
        kind: "Secret",
        metadata: meta("t"),
        data: { a: "*" },
    }),
    patch("a change of a Secret's type", `${NS}/secrets/s`, MERGE, { type: "other" }),
    table("secrets", `${NS}/secrets/s`),

    post("a Pod", `${NS}/pods`, pod("p", {}, { labels: { app: "p" } })),
    post("a Pod with everything said", `${NS}/pods`, {
        ...(pod("full", {
            initContainers: [container("init")],
            containers: [
                container("main", {
                    image: "repo/main",
                    env: [
                        { name: "A", value: "1" },
                        { name: "B", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } },
                    ],
                    ports: [{ containerPort: 80 }],
                    livenessProbe: { httpGet: { port: 80 } },
                    resources: { limits: { cpu: "1", memory: "1Gi" } },
                    volumeMounts: [{ name: "v", mountPath: "/v" }],
                }),
            ],
            volumes: [
                { name: "v", configMap: { name: "settings" } },
                { name: "e", emptyDir: {} },
                { name: "h", hostPath: { path: "/h" } },
            ],
        }) as object),
    }),
    post("a Pod without containers", `${NS}/pods`, pod("bad", { containers: [] })),
    post("a Pod with a nameless container", `${NS}/pods`, pod("bad", { containers: [{ image: "x" }] })),
    post(
        "a Pod with two containers of one name",
        `${NS}/pods`,
        pod("bad", { containers: [container("a"), container("a")] }),
    ),
    post("a Pod with a bad restart policy", `${NS}/pods`, pod("bad", { restartPolicy: "Sometimes" })),
    post(
        "a Pod with a mount of no volume",
        `${NS}/pods`,
        pod("bad", { containers: [container("a", { volumeMounts: [{ name: "x", mountPath: "/x" }] })] }),
    ),
    post("a Pod whose field has the wrong type", `${NS}/pods`, pod("bad", { containers: "none" })),
    get("a list of Pods by phase", `${NS}/pods?fieldSelector=status.phase%3DPending,metadata.name%3Dp`),
    table("pods", `${NS}/pods?fieldSelector=metadata.name%3Dp`),
    patch("a change of an image", `${NS}/pods/p`, STRATEGIC, {
        spec: { containers: [{ name: "main", image: "main:2" }] },
    }),
    patch("a change of what may not change", `${NS}/pods/p`, STRATEGIC, { spec: { hostNetwork: true } }),
    patch("a status", `${NS}/pods/p/status`, STRATEGIC, {
        status: {
            phase: "Running",
            conditions: [{ type: "Ready", status: "True" }],
            podIP: "10.0.0.1",
            containerStatuses: [
                { name: "main", ready: true, restartCount: 2, image: "main:2", imageID: "", state: { running: {} } },
            ],
        },
    }),
    patch("a status beside a status", `${NS}/pods/p/status`, STRATEGIC, {
        status: { conditions: [{ type: "Initialized", status: "True" }] },
        spec: { nodeName: "ignored" },
    }),
    table("a running pod", `${NS}/pods/p`),
    post("a binding", `${NS}/pods/p/binding`, {
        apiVersion: "v1",
        kind: "Binding",
        metadata: meta("p"),
        target: { kind: "Node", name: "n" },
    }),
    post("a second binding", `${NS}/pods/p/binding`, {
        apiVersion: "v1",
        kind: "Binding",
        metadata: meta("p"),
        target: { kind: "Node", name: "m" },
    }),
    get("a bound pod", `${NS}/pods/p`),
    get("pods of a node", `${NS}/pods?fieldSelector=spec.nodeName%3Dn`),
    remove("a graceful deletion", `${NS}/pods/p`, { gracePeriodSeconds: 5 }),
    remove("a graceful deletion again", `${NS}/pods/p`, { gracePeriodSeconds: 3 }),
    table("a terminating pod", `${NS}/pods/p`),
    remove("a deletion at once", `${NS}/pods/p`, { gracePeriodSeconds: 0 }),
    get("a pod that is gone", `${NS}/pods/p`),
    remove("a pod without a node", `${NS}/pods/full`),
    get("a pod without a node that was deleted", `${NS}/pods/full`),

    post("a Deployment", `${APPS}/deployments`, workload("Deployment")),
    post("a Deployment whose selector does not match", `${APPS}/deployments`, {
        ...(workload("Deployment", { selector: { matchLabels: { app: "other" } } }) as object),
        metadata: meta("bad"),
    }),
    patch("an added container", `${APPS}/deployments/web`, STRATEGIC, {
        spec: { template: { spec: { containers: [container("side")] } } },
    }),
    patch("a container removed by directive", `${APPS}/deployments/web`, STRATEGIC, {
        spec: { template: { spec: { containers: [{ name: "side", $patch: "delete" }] } } },
    }),
    patch("a change of labels alone", `${APPS}/deployments/web`, MERGE, { metadata: { labels: { tier: "back" } } }),
    patch("a change of the selector", `${APPS}/deployments/web`, MERGE, {
        spec: {
            selector: { matchLabels: { app: "web", more: "x" } },
            template: { metadata: { labels: { app: "web", more: "x" } } },
        },
    }),
    patch("a negative number of replicas", `${APPS}/deployments/web`, MERGE, { spec: { replicas: -1 } }),
    get("a scale", `${APPS}/deployments/web/scale`),
    patch("a scaling", `${APPS}/deployments/web/scale`, MERGE, { spec: { replicas: 3 } }),
    patch("a Deployment's status", `${APPS}/deployments/web/status`, MERGE, {
        status: { replicas: 3, readyReplicas: 2, updatedReplicas: 3, availableReplicas: 2 },
    }),
    table("deployments", `${APPS}/deployments`),
    remove("a foreground deletion", `${APPS}/deployments/web`, { propagationPolicy: "Foreground" }),
    get("a Deployment that waits for its dependents", `${APPS}/deployments/web`),
    patch("its last finalizer", `${APPS}/deployments/web`, MERGE, { metadata: { finalizers: null } }),
    get("a Deployment without finalizers", `${APPS}/deployments/web`),

    post("a ReplicaSet", `${APPS}/replicasets`, workload("ReplicaSet", { replicas: 2 })),
    table("replicasets", `${APPS}/replicasets`),
    post("a DaemonSet", `${APPS}/daemonsets`, workload("DaemonSet")),
    patch("a DaemonSet's template", `${APPS}/daemonsets/web`, STRATEGIC, {
        spec: { template: { spec: { containers: [{ name: "web", image: "web:2" }] } } },
    }),
    table("daemonsets", `${APPS}/daemonsets`),
    post("a Job", "/apis/batch/v1/namespaces/conf/jobs", {
        apiVersion: "batch/v1",
        kind: "Job",
        metadata: meta("j"),
        spec: { template: { spec: { restartPolicy: "Never", containers: [container("c")] } } },
    }),
    post("a Job that restarts always", "/apis/batch/v1/namespaces/conf/jobs", {
        apiVersion: "batch/v1",
        kind: "Job",
        metadata: meta("k"),
        spec: { template: { spec: { containers: [container("c")] } } },
    }),
    table("jobs", "/apis/batch/v1/namespaces/conf/jobs"),

    post("a Service", `${NS}/services`, {
        apiVersion: "v1",
        kind: "Service",
        metadata: meta("svc"),
        spec: { selector: { app: "web" }, ports: [{ port: 80 }] },
    }),
    post("a Service without ports", `${NS}/services`, {
        apiVersion: "v1",
        kind: "Service",
        metadata: meta("bad"),
        spec: {},
    }),
    post("a headless Service", `${NS}/services`, {
        apiVersion: "v1",
        kind: "Service",
        metadata: meta("headless"),
        spec: { clusterIP: "None", ports: [{ port: 80, name: "http", targetPort: "web" }] },
    }),
    table("services", `${NS}/services/headless`),
    post("a ServiceAccount", `${NS}/serviceaccounts`, {
        apiVersion: "v1",
        kind: "ServiceAccount",
        metadata: meta("sa"),
    }),
    table("serviceaccounts", `${NS}/serviceaccounts/sa`),
    post("a Lease", "/apis/coordination.k8s.io/v1/namespaces/conf/leases", {
        apiVersion: "coordination.k8s.io/v1",
        kind: "Lease",
        metadata: meta("l"),
        spec: { holderIdentity: "me", renewTime: "2026-01-01T00:00:00.000000Z" },
    }),
    table("leases", "/apis/coordination.k8s.io/v1/namespaces/conf/leases"),
    post("an Event", `${NS}/events`, {
        apiVersion: "v1",
        kind: "Event",
        metadata: meta("e"),
        involvedObject: { kind: "Pod", namespace: "conf", name: "p" },
        reason: "Tested",
        message: "It was tested",
        type: "Normal",
        count: 2,
        firstTimestamp: "2026-01-01T00:00:00Z",
        lastTimestamp: "2026-01-01T00:00:00Z",
        source: { component: "test" },
    }),
    get("events of an object", `${NS}/events?fieldSelector=involvedObject.name%3Dp,reason%3DTested`),

    post("a Node", "/api/v1/nodes", {
        apiVersion: "v1",
        kind: "Node",
        metadata: meta("n", { labels: { "node-role.kubernetes.io/edge": "" } }),
    }),
    post("a Node with a status", "/api/v1/nodes", {
        apiVersion: "v1",
        kind: "Node",
        metadata: meta("m"),
        status: { capacity: { cpu: "2" }, conditions: [{ type: "Ready", status: "True" }] },
    }),
    patch("a Node's status", "/api/v1/nodes/n/status", STRATEGIC, {
        status: {
            conditions: [{ type: "Ready", status: "True" }],
            nodeInfo: { kubeletVersion: "v1.2.3" },
            addresses: [{ type: "InternalIP", address: "10.0.0.9" }],
            capacity: { cpu: "4" },
        },
    }),
    patch("a cordon", "/api/v1/nodes/n", STRATEGIC, { spec: { unschedulable: true } }),
    patch("a bad taint", "/api/v1/nodes/n", MERGE, { spec: { taints: [{ key: "a", effect: "Sometimes" }] } }),
    table("nodes", "/api/v1/nodes/n"),
    post("a RuntimeClass", "/apis/node.k8s.io/v1/runtimeclasses", {
        apiVersion: "node.k8s.io/v1",
        kind: "RuntimeClass",
        metadata: meta("rc"),
        handler: "h",
    }),
    patch("a change of a handler", "/apis/node.k8s.io/v1/runtimeclasses/rc", MERGE, { handler: "other" }),
    table("runtimeclasses", "/apis/node.k8s.io/v1/runtimeclasses/rc"),

    post(
        "a CustomResourceDefinition that is not structural",
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
        {
            apiVersion: "apiextensions.k8s.io/v1",
            kind: "CustomResourceDefinition",
            metadata: meta("gadgets.example.com"),
            spec: {
                group: "example.com",
                scope: "Namespaced",
                names: { kind: "Gadget", plural: "gadgets" },
                versions: [{ name: "v1", served: true, storage: true }],
            },
        },
    ),
    post("a CustomResourceDefinition with another name", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", {
        apiVersion: "apiextensions.k8s.io/v1",
        kind: "CustomResourceDefinition",
        metadata: meta("wrong.example.com"),
        spec: {
            group: "example.com",
            scope: "Namespaced",
            names: { kind: "Gadget", plural: "gadgets" },
            versions: [{ name: "v1", served: true, storage: true, schema: { openAPIV3Schema: { type: "object" } } }],
        },
    }),

    remove("a namespace", "/api/v1/namespaces/conf"),
    post("an object in a namespace that goes", `${NS}/configmaps`, configMap("late", {})),
    {
        name: "the finalizing of a namespace",
        method: "PUT",
        path: "/api/v1/namespaces/conf/finalize",
        body: { apiVersion: "v1", kind: "Namespace", metadata: meta("conf"), spec: {} },
    },
];
