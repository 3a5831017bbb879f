// SPDX-License-Identifier: Apache-2.0
import { asRecord, asText } from "../../../core/json.ts";
import type { KubeObject, ResourceType } from "../../../kube/types.ts";
import { forWire } from "../edge-node.ts";
import { objectReply, queryReply } from "../replies.ts";
import { badRequest, contentObject, forbidden, type Request } from "../request.ts";
import type { Handler } from "./handler.ts";

const certificateSigningRequest: ResourceType = {
    group: "certificates.k8s.io",
    version: "v1",
    kind: "CertificateSigningRequest",
    plural: "certificatesigningrequests",
    namespaced: false,
};
/** Says which node asked, so that only that node reads the answer. */
const NODE_LABEL = "kubeedge.io/requested-by";

/** `default/certificatesigningrequest/<name>` insert: the kubelet's own serving or client certificate. */
export const insertSigningRequest: Handler = {
    onFailure: "object",
    async run(request, tools) {
        const given = contentObject(request);
        if (asText(asRecord(given["spec"])["request"]) === undefined)
            throw badRequest(request, "spec.request is missing");
        const { resourceVersion: _, ...metadata } = asRecord(given["metadata"]);
        const object: KubeObject = {
            ...given,
            apiVersion: "certificates.k8s.io/v1",
            kind: "CertificateSigningRequest",
            metadata: {
                ...metadata,
                name: request.name,
                labels: { ...(asRecord(metadata["labels"]) as Record<string, string>), [NODE_LABEL]: request.node },
            },
        };
        return objectReply(request, forWire(await tools.cluster.create(certificateSigningRequest, object)));
    },
};

/** The same, query. */
export const querySigningRequest: Handler = {
    onFailure: "query",
    async run(request, tools) {
        const object = await tools.cluster.get({ type: certificateSigningRequest, name: request.name });
        authorizeReading(request, object);
        return queryReply(request, forWire(object));
    },
};

function authorizeReading(request: Request, object: KubeObject): void {
    const by = object.metadata.labels?.[NODE_LABEL];
    if (by !== undefined && by !== request.node) throw forbidden(request, "another node made it");
}
