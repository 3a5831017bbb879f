// SPDX-License-Identifier: Apache-2.0
import type { Ports } from "../../core/component.ts";
import type { KubeClient } from "../../kube/client/client.ts";
import { Informer } from "../../kube/client/informer.ts";
import { apiVersionOf, type KubeObject, type ResourceType } from "../../kube/types.ts";

/** An informer of objects as they go to the edge: items of a list carry no kind, and no edge reads managedFields. */
export function follow(
    cluster: KubeClient,
    type: ResourceType,
    ports: Pick<Ports, "clock" | "random">,
    selection: { readonly fieldSelector?: string } = {},
): Informer<KubeObject> {
    const parse = (object: KubeObject): KubeObject => {
        const { managedFields: _, ...metadata } = object.metadata;
        return { ...object, apiVersion: apiVersionOf(type), kind: type.kind, metadata };
    };
    return new Informer({ cluster, query: { type, ...selection }, parse }, ports);
}
