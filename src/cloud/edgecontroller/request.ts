// SPDX-License-Identifier: Apache-2.0
import { isRedgeError, RedgeError } from "../../core/errors/redge-error.ts";
import type { JsonRecord } from "../../core/json.ts";
import { isRecord } from "../../core/json.ts";
import type { Envelope } from "../../envelope/envelope.ts";
import { CLUSTER_SCOPE, parseResource } from "../../envelope/resource.ts";

/** An upstream message with its resource taken apart. */
export interface Request {
    readonly envelope: Envelope;
    readonly node: string;
    readonly operation: string;
    readonly type: string;
    /** Undefined for objects of no namespace. */
    readonly namespace: string | undefined;
    /** Empty in the list form. */
    readonly name: string;
}

/** @throws REDGE_ENVELOPE_INVALID when the message names no node or no object */
export function parseRequest(envelope: Envelope): Request {
    const resource = parseResource(envelope.route.resource);
    if (envelope.node === undefined)
        throw new RedgeError("REDGE_ENVELOPE_INVALID", { field: "node", reason: "is missing" });
    if (resource === undefined) {
        throw new RedgeError("REDGE_ENVELOPE_INVALID", {
            field: "route.resource",
            reason: "is not <namespace>/<type>/<name>",
        });
    }
    return {
        envelope,
        node: envelope.node,
        operation: envelope.route.operation,
        type: resource.type,
        namespace: resource.namespace === CLUSTER_SCOPE ? undefined : resource.namespace,
        name: resource.name ?? "",
    };
}

export function forbidden(request: Request, reason: string): RedgeError {
    const { node, operation } = request;
    return new RedgeError("REDGE_CLOUD_FORBIDDEN", {
        node,
        operation,
        resource: request.envelope.route.resource,
        reason,
    });
}

/** The same for what the node never had to do with, as far as is known here: it is to be cut off as well. */
export function foreign(request: Request, reason: string): RedgeError {
    const { code, details } = forbidden(request, reason);
    return new RedgeError(code, { ...details, foreign: true });
}

export function isForeign(thrown: unknown): boolean {
    return isRedgeError(thrown, "REDGE_CLOUD_FORBIDDEN") && thrown.details["foreign"] === true;
}

export function badRequest(request: Request, reason: string): RedgeError {
    const { node, operation } = request;
    return new RedgeError("REDGE_CLOUD_BAD_REQUEST", {
        node,
        operation,
        resource: request.envelope.route.resource,
        reason,
    });
}

/**
 * The content as an object; KubeEdge sends some of them as JSON text.
 * @throws REDGE_CLOUD_BAD_REQUEST
 */
export function contentObject(request: Request): JsonRecord {
    const { content } = request.envelope;
    let value: unknown = content;
    if (typeof content === "string") {
        try {
            value = JSON.parse(content);
        } catch {
            throw badRequest(request, "its content is text that is not JSON");
        }
    }
    if (!isRecord(value)) throw badRequest(request, "its content is not an object");
    return value;
}
