// SPDX-License-Identifier: Apache-2.0
import { errorText, isRedgeError } from "../../../core/errors/redge-error.ts";
import type { Logger } from "../../../core/log.ts";
import { Operation } from "../../../envelope/envelope.ts";
import { formatResource } from "../../../envelope/resource.ts";
import type { KubeObject } from "../../../kube/types.ts";
import type { MetaClient } from "../meta-client.ts";
import { asKubeObject } from "../objects.ts";
import type { Pod } from "../podspec/types.ts";
import { MIRROR_ANNOTATION, SOURCE_ANNOTATION } from "./static-pods.ts";

/** True for a pod from a manifest on this machine. */
export function isStatic(pod: KubeObject): boolean {
    return pod.metadata.annotations?.[SOURCE_ANNOTATION] === "file" && !isMirror(pod);
}

/** True for the image of a static pod in the API: there to be seen, not to be run. */
export function isMirror(pod: KubeObject): boolean {
    return pod.metadata.annotations?.[MIRROR_ANNOTATION] !== undefined;
}

/** Creates the image of a static pod; one that is there from before is kept. @throws REDGE_EDGED_NO_ANSWER without a link */
export async function makeMirror(client: MetaClient, pod: Pod): Promise<{ readonly uid: string | undefined }> {
    const { uid, resourceVersion: _, ...metadata } = pod.metadata;
    const annotations = { ...metadata.annotations, [MIRROR_ANNOTATION]: uid };
    const mirror = { apiVersion: "v1", kind: "Pod", metadata: { ...metadata, annotations }, spec: pod.spec };
    const resource = formatResource(metadata.namespace, "pod", metadata.name);
    try {
        return { uid: asKubeObject(await client.request(Operation.insert, resource, mirror))?.metadata.uid };
    } catch (thrown) {
        if (isRedgeError(thrown, "REDGE_EDGED_NO_ANSWER") && thrown.details["code"] === 409) return { uid: undefined };
        throw thrown;
    }
}

/** Removes the image of a static pod that is gone, or that somebody deleted in the API. Without a link it stays for now. */
export function removeMirror(client: MetaClient, pod: KubeObject, log: Logger): void {
    const { namespace, name, uid } = pod.metadata;
    const options = { gracePeriodSeconds: 0, ...(isMirror(pod) ? { preconditions: { uid } } : {}) };
    client.request(Operation.delete, formatResource(namespace, "pod", name), options).catch((thrown: unknown) => {
        log.warn("the image of a static pod is still in the API", { pod: name, reason: errorText(thrown) });
    });
}
