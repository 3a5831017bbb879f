// SPDX-License-Identifier: Apache-2.0
import { asRecord, asText } from "../../../core/json.ts";
import { Kinds, type KubeObject, type ResourceType } from "../../../kube/types.ts";
import { forWire } from "../edge-node.ts";
import { queryReply } from "../replies.ts";
import { contentObject, forbidden, type Request } from "../request.ts";
import type { Handler, Tools } from "./handler.ts";

const persistentVolume = coreType("PersistentVolume", "persistentvolumes", false);
const persistentVolumeClaim = coreType("PersistentVolumeClaim", "persistentvolumeclaims", true);
const volumeAttachment: ResourceType = {
    group: "storage.k8s.io",
    version: "v1",
    kind: "VolumeAttachment",
    plural: "volumeattachments",
    namespaced: false,
};

export const queryConfigMap = query(Kinds.configMap, (request, tools) =>
    tools.authorizer.referred(request, "configmap"),
);
export const querySecret = query(Kinds.secret, (request, tools) => tools.authorizer.referred(request, "secret"));
export const queryClaim = query(persistentVolumeClaim, (request, tools) =>
    tools.authorizer.claim(request, request.namespace ?? "", request.name),
);
/** How a pod is to be run is no secret; EdgeCore has no such request, Redge's Edged does. */
export const queryRuntimeClass = query(Kinds.runtimeClass, () => {});
export const queryVolume = query(
    persistentVolume,
    () => {},
    (request, tools, volume) => {
        const claim = asRecord(asRecord(volume["spec"])["claimRef"]);
        tools.authorizer.claim(request, asText(claim["namespace"]) ?? "", asText(claim["name"]) ?? "");
    },
);
export const queryAttachment = query(
    volumeAttachment,
    () => {},
    (request, tools, attachment) => {
        const node = asText(asRecord(attachment["spec"])["nodeName"]) ?? "";
        tools.authorizer.attached(request, node);
    },
);

/** `<ns>/serviceaccounttoken/<sa>` query: a TokenRequest, answered with its status filled in. */
export const requestToken: Handler = {
    onFailure: "query",
    async run(request, tools) {
        const given = contentObject(request);
        const spec = asRecord(given["spec"]);
        await tools.authorizer.token(request, spec);
        if (request.namespace === undefined) throw forbidden(request, "service accounts are in a namespace");
        const answer = await tools.cluster.create(
            Kinds.serviceAccount,
            {
                apiVersion: "authentication.k8s.io/v1",
                kind: "TokenRequest",
                metadata: { name: request.name, namespace: request.namespace },
                spec: withoutNulls(spec),
            },
            { name: "token", of: request.name },
        );
        // The edge derives the key it keeps the token under from the spec it asked with.
        return queryReply(request, { ...forWire(answer), spec });
    },
};

function query(
    type: ResourceType,
    before: (request: Request, tools: Tools) => void | Promise<void>,
    after: (request: Request, tools: Tools, object: KubeObject) => void = () => {},
): Handler {
    return {
        onFailure: "query",
        async run(request, tools) {
            await before(request, tools);
            const namespace = type.namespaced ? request.namespace : undefined;
            const object = await tools.cluster.get({ type, namespace, name: request.name });
            after(request, tools, object);
            return queryReply(request, forWire(object));
        },
    };
}

function withoutNulls(spec: Record<string, unknown>): Record<string, unknown> {
    return Object.fromEntries(Object.entries(spec).filter(([, value]) => value !== null));
}

function coreType(kind: string, plural: string, namespaced: boolean): ResourceType {
    return { group: "", version: "v1", kind, plural, namespaced };
}
