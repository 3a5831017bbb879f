// SPDX-License-Identifier: Apache-2.0
import type { KubeClient } from "../../kube/client/client.ts";
import { isNotFound } from "../../kube/client/status-error.ts";
import { Kinds, type KubeObject, type ResourceType } from "../../kube/types.ts";
import { ClusterRoleBindingType, ClusterRoleType, defaultRoleBindings, defaultRoles } from "./default-roles.ts";

const NAMESPACES = ["default", "kube-system", "kube-public", "kube-node-lease", "kubeedge"];
const RUNTIME_CLASSES = ["node-red", "node-red-isolated"];
/** The label of every Redge gateway: a stock EdgeCore runs no flows. */
const FLOW_NODES = { "edge.redge.io/flows": "true" };
const SERVICE_ADDRESS = "10.96.0.1";

export interface InstallInput {
    /** CA of the API server, told to extension servers as that of its client certificates. */
    readonly caPem: string;
    /** CustomResourceDefinitions as YAML. */
    readonly definitions: readonly string[];
}

/** Creates what every Redge cluster has and brings the shipped definitions up to date; what is there otherwise stays. */
export async function installObjects(client: KubeClient, { caPem, definitions }: InstallInput): Promise<void> {
    for (const name of NAMESPACES)
        await ensure(client, Kinds.namespace, { apiVersion: "v1", kind: "Namespace", metadata: { name } });
    for (const name of RUNTIME_CLASSES) {
        await ensure(client, Kinds.runtimeClass, {
            apiVersion: "node.k8s.io/v1",
            kind: "RuntimeClass",
            metadata: { name },
            handler: name,
            scheduling: { nodeSelector: FLOW_NODES },
        });
    }
    await ensure(client, Kinds.service, {
        apiVersion: "v1",
        kind: "Service",
        metadata: {
            name: "kubernetes",
            namespace: "default",
            labels: { component: "apiserver", provider: "kubernetes" },
        },
        spec: { clusterIP: SERVICE_ADDRESS, ports: [{ name: "https", port: 443, protocol: "TCP", targetPort: 6443 }] },
    });
    for (const role of defaultRoles) await ensure(client, ClusterRoleType, role);
    for (const binding of defaultRoleBindings) await ensure(client, ClusterRoleBindingType, binding);
    const authentication = { name: "extension-apiserver-authentication", namespace: "kube-system" };
    const data = { "client-ca-file": caPem };
    await ensure(client, Kinds.configMap, { apiVersion: "v1", kind: "ConfigMap", metadata: authentication, data });
    await client.patch({ type: Kinds.configMap, ...authentication }, { data }, "merge");
    const { parse } = await import("yaml");
    for (const text of definitions) {
        const definition = parse(text) as KubeObject;
        if (await ensure(client, Kinds.customResourceDefinition, definition)) continue;
        const ref = { type: Kinds.customResourceDefinition, name: definition.metadata.name };
        await client.patch(ref, { spec: definition["spec"] }, "merge");
    }
}

/** True when it was not there before. Asks first: a Service that exists is refused for its address, not its name. */
async function ensure(client: KubeClient, type: ResourceType, object: KubeObject): Promise<boolean> {
    const { namespace, name } = object.metadata;
    try {
        await client.get({ type, namespace, name });
        return false;
    } catch (error) {
        if (!isNotFound(error)) throw error;
    }
    await client.create(type, object);
    return true;
}
