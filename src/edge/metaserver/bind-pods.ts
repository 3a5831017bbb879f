// SPDX-License-Identifier: Apache-2.0
import { asRecord, asText } from "../../core/json.ts";
import type { ServedResource } from "../../kube/rest/resources.ts";
import { StatusError } from "../../kube/rest/status.ts";
import type { KubeObject } from "../../kube/types.ts";
import type { ObjectSource } from "../metamanager/object-table.ts";

/** A pod that is created at a gateway runs there: nobody else would see it. @throws 422 for one of another node */
export function bindPods(source: ObjectSource) {
    return async (resource: ServedResource, object: KubeObject): Promise<void> => {
        if (resource.kind !== "Pod") return;
        const node = source.list("node")[0]?.object.metadata.name;
        const spec = asRecord(object["spec"]);
        const wanted = asText(spec["nodeName"]) ?? node;
        if (wanted === undefined || wanted !== node) {
            const { name } = object.metadata;
            const why =
                node === undefined ? "this gateway has not registered its node yet" : `this gateway is node ${node}`;
            throw new StatusError(422, "Invalid", `Pod "${name}" is invalid: spec.nodeName: ${why}`, {
                name,
                kind: "Pod",
            });
        }
        spec["nodeName"] = wanted;
    };
}
