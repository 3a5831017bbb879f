// SPDX-License-Identifier: Apache-2.0
import { asNumber, asRecord, asRecords, asText } from "../../../core/json.ts";
import { isConflict, isNotFound } from "../../../kube/client/status-error.ts";
import { Kinds, type KubeObject } from "../../../kube/types.ts";
import { forWire } from "../edge-node.ts";
import { objectReply, okReply } from "../replies.ts";
import { badRequest, contentObject, type Request } from "../request.ts";
import type { Handler } from "./handler.ts";

const byPod = (request: Request): string => `pod/${request.namespace}/${request.name}`;
const ref = (request: Request) => ({ type: Kinds.pod, namespace: request.namespace, name: request.name });

/** `<ns>/podpatch/<pod>` patch: a strategic merge patch of the status, as JSON text, with the UID as precondition. */
export const patchPod: Handler = {
    onFailure: "object",
    orderBy: byPod,
    async run(request, tools) {
        await tools.authorizer.ownPod(request);
        const patch = contentObject(request);
        const pod = await tools.patching(byPod(request), () =>
            tools.cluster.patch(ref(request), patch, "strategic", { subresource: "status" }),
        );
        return objectReply(request, forWire(pod), true);
    },
};

/** `<ns>/pod/<pod>` insert: the mirror of a static pod. */
export const insertPod: Handler = {
    onFailure: "object",
    orderBy: byPod,
    async run(request, tools) {
        const given = contentObject(request);
        tools.authorizer.mirrorPod(request, given);
        const metadata = { ...asRecord(given["metadata"]), name: request.name, namespace: request.namespace ?? "" };
        const pod = await tools.cluster.create(Kinds.pod, { ...given, apiVersion: "v1", kind: "Pod", metadata });
        return objectReply(request, forWire(pod));
    },
};

/** `<ns>/pod/<pod>` delete: the edge has stopped the pod. "OK" also when it is gone, or another pod has its name. */
export const deletePod: Handler = {
    onFailure: "query",
    orderBy: byPod,
    async run(request, tools) {
        await tools.authorizer.ownPod(request);
        const options = contentObject(request);
        try {
            await tools.cluster.delete(ref(request), {
                gracePeriodSeconds: asNumber(options["gracePeriodSeconds"]),
                uid: asText(asRecord(options["preconditions"])["uid"]),
            });
        } catch (thrown) {
            if (!isNotFound(thrown) && !isConflict(thrown)) throw thrown;
        }
        return okReply(request);
    },
};

/** `<ns>/podstatus[/<pod>]` update: `{UID, Name, Status}` or a list of them; sent by no current kubelet. */
export const updatePodStatus: Handler = {
    onFailure: "query",
    orderBy: byPod,
    async run(request, tools) {
        const { content } = request.envelope;
        const reports = Array.isArray(content) ? asRecords(content) : [contentObject(request)];
        for (const report of reports) {
            const name = asText(report["Name"]) ?? request.name;
            if (name === "") throw badRequest(request, "a status names no pod");
            const one = { ...request, name };
            await tools.authorizer.ownPod(one);
            const uid = asText(report["UID"]);
            const patch = { metadata: uid === undefined ? {} : { uid }, status: asRecord(report["Status"]) };
            try {
                await tools.patching(
                    byPod(one),
                    (): Promise<KubeObject> => tools.cluster.patch(ref(one), patch, "merge", { subresource: "status" }),
                );
            } catch (thrown) {
                if (!isNotFound(thrown) && !isConflict(thrown)) throw thrown;
                tools.pushPodDelete(one, uid);
            }
        }
        return okReply(request);
    },
};
