// SPDX-License-Identifier: Apache-2.0
import { errorText, isRedgeError, RedgeError } from "../../core/errors/redge-error.ts";

/** metav1.StatusReason by HTTP status, for answers that are no Status object (a proxy's page, an empty body). */
const REASONS: Readonly<Record<number, string>> = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    409: "Conflict",
    410: "Expired",
    413: "RequestEntityTooLarge",
    415: "UnsupportedMediaType",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
};
const EXCERPT_CHARACTERS = 300;

/** The error for an answer of the API server that is not a success. */
export function statusError(code: number, body: string): RedgeError {
    let status: Readonly<Record<string, unknown>> = {};
    try {
        const parsed: unknown = JSON.parse(body);
        if (typeof parsed === "object" && parsed !== null) status = parsed as Readonly<Record<string, unknown>>;
    } catch {
        status = { message: body.slice(0, EXCERPT_CHARACTERS) };
    }
    return statusObjectError({ ...status, code: typeof status["code"] === "number" ? status["code"] : code });
}

/** The error for a metav1.Status, as a watch reports it within the stream. */
export function statusObjectError(status: Readonly<Record<string, unknown>>): RedgeError {
    const code = typeof status["code"] === "number" ? status["code"] : 500;
    const reason = typeof status["reason"] === "string" && status["reason"] !== "" ? status["reason"] : REASONS[code];
    const message =
        typeof status["message"] === "string" && status["message"] !== "" ? status["message"] : "no message";
    return new RedgeError("REDGE_KUBE_STATUS", { code, reason: reason ?? "Unknown", message });
}

/** The error for a request that got no answer. */
export function unreachable(server: string, cause: unknown): RedgeError {
    return new RedgeError("REDGE_KUBE_UNREACHABLE", { server, reason: reasonOf(cause) }, cause);
}

/** The metav1 reason of a refused request ("NotFound", "Conflict" ...), undefined for any other error. */
export function statusReason(thrown: unknown): string | undefined {
    return isRedgeError(thrown, "REDGE_KUBE_STATUS") ? String(thrown.details["reason"]) : undefined;
}

/** The HTTP status of a refused request, undefined for any other error. */
export function statusCode(thrown: unknown): number | undefined {
    return isRedgeError(thrown, "REDGE_KUBE_STATUS") ? Number(thrown.details["code"]) : undefined;
}

/** The server's own words for a refused request, the plain text of any other error. */
export function statusMessage(thrown: unknown): string {
    return isRedgeError(thrown, "REDGE_KUBE_STATUS") ? String(thrown.details["message"]) : errorText(thrown);
}

export const isNotFound = (thrown: unknown): boolean => statusCode(thrown) === 404;
export const isGone = (thrown: unknown): boolean => statusCode(thrown) === 410;
export const isAlreadyExists = (thrown: unknown): boolean => statusReason(thrown) === "AlreadyExists";
/** Somebody else changed the object since it was read: read again and retry. */
export const isConflict = (thrown: unknown): boolean => statusReason(thrown) === "Conflict";

function reasonOf(cause: unknown): string {
    // Node.js reports "happy eyeballs" failures as an AggregateError without a message.
    if (cause instanceof AggregateError && cause.message === "") return cause.errors.map(errorText).join("; ");
    return errorText(cause);
}
