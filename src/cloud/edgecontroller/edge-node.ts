// SPDX-License-Identifier: Apache-2.0
import type { KubeObject } from "../../kube/types.ts";

/** The label KubeEdge gives to every edge node. */
export const EDGE_ROLE_LABEL = "node-role.kubernetes.io/edge";
/** The annotation that names the cloud side which holds the node's session. */
export const CLOUDCORE_ANNOTATION = "cloudcore";

/** A copy for the wire: kind and version set, and without the bookkeeping no edge reads. */
export function forWire(object: KubeObject): KubeObject {
    const { managedFields: _, ...metadata } = object.metadata;
    return { ...object, metadata };
}
