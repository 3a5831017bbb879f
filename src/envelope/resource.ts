// SPDX-License-Identifier: Apache-2.0

/** A Kubernetes object as it is named on the wire: `<namespace>/<type>/<name>` (wire protocol, section 2.3). */
export interface ResourceName {
    /** The literal "null" for cluster-scoped objects. */
    readonly namespace: string;
    /** Lower case singular: pod, configmap, podpatch, nodepatch, lease … */
    readonly type: string;
    /** Absent in the list form `<namespace>/<type>`. */
    readonly name?: string;
}

/** What stands in the namespace segment of cluster-scoped objects. */
export const CLUSTER_SCOPE = "null";

export function formatResource(namespace: string | undefined, type: string, name?: string): string {
    const scope = namespace === undefined || namespace === "" ? CLUSTER_SCOPE : namespace;
    return name === undefined ? `${scope}/${type}` : `${scope}/${type}/${name}`;
}

/** Undefined when the text is not of that form (special resources such as "membership/detail" have two segments too: ask for known types). */
export function parseResource(resource: string): ResourceName | undefined {
    const [namespace, type, ...rest] = resource.split("/");
    if (!namespace || !type) return undefined;
    const name = rest.join("/");
    return name === "" ? { namespace, type } : { namespace, type, name };
}
