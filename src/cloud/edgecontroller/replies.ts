// SPDX-License-Identifier: Apache-2.0
import { errorText, isRedgeError } from "../../core/errors/redge-error.ts";
import { type Envelope, Group, Operation, responseTo, Source } from "../../envelope/envelope.ts";
import type { KubeObject, KubeStatus } from "../../kube/types.ts";
import type { Request } from "./request.ts";

/** The forms of an answer to an edge node (wire protocol, sections 2.5, 5.3 and 5.5). */

const FROM = { source: Source.edgecontroller, group: Group.resource } as const;

/** `{Object, Err: null}`; the header carries the object's version where the edge expects it. */
export function objectReply({ envelope }: Request, object: KubeObject, withVersion = false): Envelope {
    const resourceVersion = withVersion ? object.metadata.resourceVersion : undefined;
    return responseTo(envelope, { Object: object, Err: null }, { ...FROM, resourceVersion });
}

/** `{Object: null, Err}`: the edge's kubelet sees the API's own reason. */
export function failureReply({ envelope }: Request, status: KubeStatus): Envelope {
    return responseTo(envelope, { Object: null, Err: { ErrStatus: status } }, FROM);
}

/** The object itself, as an answer to a query. */
export function queryReply({ envelope }: Request, object: KubeObject): Envelope {
    return responseTo(envelope, object, { ...FROM, resourceVersion: object.metadata.resourceVersion });
}

/** A failed query: operation `error` with plain text, which an EdgeCore does not store as if it were the object. */
export function queryFailureReply({ envelope }: Request, text: string): Envelope {
    return responseTo(envelope, text, { ...FROM, operation: Operation.error });
}

export function okReply({ envelope }: Request): Envelope {
    return responseTo(envelope, "OK", FROM);
}

/** metav1.Status of anything that went wrong. What the API did not answer becomes 503 or 500, never an empty error. */
export function statusOf(thrown: unknown): KubeStatus {
    if (isRedgeError(thrown, "REDGE_KUBE_STATUS")) {
        const { code, reason, message } = thrown.details;
        return failure(Number(code), String(reason), String(message));
    }
    if (isRedgeError(thrown, "REDGE_KUBE_UNREACHABLE")) return failure(503, "ServiceUnavailable", thrown.message);
    if (isRedgeError(thrown, "REDGE_CLOUD_FORBIDDEN")) return failure(403, "Forbidden", thrown.message);
    if (isRedgeError(thrown, "REDGE_CLOUD_BAD_REQUEST")) return failure(400, "BadRequest", thrown.message);
    return failure(500, "InternalError", errorText(thrown));
}

function failure(code: number, reason: string, message: string): KubeStatus {
    return { kind: "Status", apiVersion: "v1", metadata: {}, status: "Failure", message, reason, code };
}
