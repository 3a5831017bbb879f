// SPDX-License-Identifier: Apache-2.0
import { errorText, isRedgeError, RedgeError } from "../../core/errors/redge-error.ts";
import type { KubeStatus, ResourceType } from "../types.ts";

/** One reason within a Status (metav1.StatusCause). */
export interface StatusCause {
    readonly reason: string;
    readonly message: string;
    readonly field: string;
}

/** A refusal that travels to the client as metav1.Status. */
export class StatusError extends RedgeError {
    readonly status: KubeStatus & { readonly code: number };
    /** Sent along, e.g. Retry-After. */
    readonly headers: Readonly<Record<string, string>>;

    constructor(
        code: number,
        reason: string,
        message: string,
        details?: Record<string, unknown>,
        headers: Record<string, string> = {},
    ) {
        super("REDGE_KUBE_STATUS", { code, reason, message });
        this.headers = headers;
        this.status = {
            kind: "Status",
            apiVersion: "v1",
            metadata: {},
            status: "Failure",
            message,
            reason,
            ...(details === undefined ? {} : { details }),
            code,
        };
    }
}

type Named = Pick<ResourceType, "group" | "plural">;

/** "pods" or "deployments.apps", as the messages of the API name a resource. */
export function qualified(type: Named): string {
    return type.group === "" ? type.plural : `${type.plural}.${type.group}`;
}

function details(type: Named, name: string, more: Record<string, unknown> = {}): Record<string, unknown> {
    return { name, ...(type.group === "" ? {} : { group: type.group }), kind: type.plural, ...more };
}

export const badRequest = (message: string): StatusError => new StatusError(400, "BadRequest", message);

export const unauthorized = (): StatusError => new StatusError(401, "Unauthorized", "Unauthorized");

export const notFound = (type: Named, name: string): StatusError =>
    new StatusError(404, "NotFound", `${qualified(type)} "${name}" not found`, details(type, name));

/** A path that is not served at all. */
export const noSuchPath = (): StatusError =>
    new StatusError(404, "NotFound", "the server could not find the requested resource", {});

export const alreadyExists = (type: Named, name: string): StatusError =>
    new StatusError(409, "AlreadyExists", `${qualified(type)} "${name}" already exists`, details(type, name));

export const MODIFIED_MEANWHILE =
    "the object has been modified; please apply your changes to the latest version and try again";

export const conflict = (type: Named, name: string, message: string, causes?: readonly StatusCause[]): StatusError =>
    new StatusError(
        409,
        "Conflict",
        causes === undefined ? `Operation cannot be fulfilled on ${qualified(type)} "${name}": ${message}` : message,
        details(type, name, causes === undefined ? {} : { causes }),
    );

export const forbidden = (type: Named, name: string, message: string): StatusError =>
    new StatusError(
        403,
        "Forbidden",
        `${qualified(type)}${name === "" ? "" : ` "${name}"`} is forbidden: ${message}`,
        details(type, name),
    );

export const methodNotAllowed = (): StatusError =>
    new StatusError(405, "MethodNotAllowed", "the server does not allow this method on the requested resource", {});

export const notAcceptable = (served: readonly string[]): StatusError =>
    new StatusError(406, "NotAcceptable", `only the following media types are accepted: ${served.join(", ")}`);

export const unsupportedMediaType = (served: readonly string[]): StatusError =>
    new StatusError(
        415,
        "UnsupportedMediaType",
        `the body of the request was in an unknown format - accepted media types include: ${served.join(", ")}`,
    );

export const expired = (message: string): StatusError => new StatusError(410, "Expired", message);

export const tooLarge = (limitBytes: number): StatusError =>
    new StatusError(413, "RequestEntityTooLarge", `Request entity too large: limit is ${limitBytes}`, undefined, {
        Connection: "close",
    });

export const unavailable = (message: string): StatusError => new StatusError(503, "ServiceUnavailable", message);

/** One thing wrong with an object, in the words of field.Error. */
export interface FieldError {
    /** "FieldValueRequired", "FieldValueInvalid", "FieldValueNotSupported", "FieldValueForbidden" ... */
    readonly reason: string;
    /** Path as "spec.containers[0].name". */
    readonly field: string;
    readonly detail: string;
}

export const required = (field: string, detail = ""): FieldError => ({
    reason: "FieldValueRequired",
    field,
    detail: detail === "" ? "Required value" : `Required value: ${detail}`,
});

export const invalidValue = (field: string, value: unknown, detail: string): FieldError => ({
    reason: "FieldValueInvalid",
    field,
    detail: `Invalid value: ${JSON.stringify(value) ?? "null"}: ${detail}`,
});

export const notSupported = (field: string, value: unknown, supported: readonly string[]): FieldError => ({
    reason: "FieldValueNotSupported",
    field,
    detail: `Unsupported value: ${JSON.stringify(value)}: supported values: ${supported.map((one) => `"${one}"`).join(", ")}`,
});

export const forbiddenField = (field: string, detail: string): FieldError => ({
    reason: "FieldValueForbidden",
    field,
    detail: `Forbidden: ${detail}`,
});

/** 422 with every field error as a cause. */
export function invalid(
    kind: { group: string; kind: string },
    name: string,
    errors: readonly FieldError[],
): StatusError {
    const texts = errors.map((error) => `${error.field}: ${error.detail}`);
    const shown = texts.length === 1 ? (texts[0] ?? "") : `[${texts.join(", ")}]`;
    const qualifiedKind = kind.group === "" ? kind.kind : `${kind.kind}.${kind.group}`;
    return new StatusError(422, "Invalid", `${qualifiedKind} "${name}" is invalid: ${shown}`, {
        name,
        ...(kind.group === "" ? {} : { group: kind.group }),
        kind: kind.kind,
        causes: errors.map((error) => ({ reason: error.reason, message: error.detail, field: error.field })),
    });
}

/** The Status for anything that was thrown; what is not a StatusError is an internal error. */
export function statusOf(thrown: unknown): StatusError {
    if (thrown instanceof StatusError) return thrown;
    if (isRedgeError(thrown, "REDGE_KUBE_STATUS")) {
        const { code, reason, message } = thrown.details;
        return new StatusError(Number(code), String(reason), String(message));
    }
    if (isRedgeError(thrown, "REDGE_STORE_FULL")) {
        return new StatusError(507, "InsufficientStorage", errorText(thrown));
    }
    return new StatusError(500, "InternalError", `Internal error occurred: ${errorText(thrown)}`);
}
