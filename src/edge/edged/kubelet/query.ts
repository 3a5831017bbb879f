// SPDX-License-Identifier: Apache-2.0
import { RedgeError } from "../../../core/errors/redge-error.ts";
import type { LogQuery } from "../runtimes/runtime.ts";

/** The options of `kubectl logs` as the API server hands them on (core/v1 PodLogOptions). */
export interface LogRequest extends LogQuery {
    readonly previous: boolean;
}

/** @throws REDGE_KUBELET_REQUEST naming the parameter that is wrong */
export function parseLogQuery(params: URLSearchParams, nowMs: number, signal: AbortSignal): LogRequest {
    const tailLines = whole(params, "tailLines");
    const limitBytes = whole(params, "limitBytes");
    const sinceSeconds = whole(params, "sinceSeconds");
    const sinceTime = params.get("sinceTime");
    const sinceMs =
        sinceSeconds !== undefined ? nowMs - sinceSeconds * 1000 : sinceTime ? Date.parse(sinceTime) : undefined;
    if (sinceMs !== undefined && Number.isNaN(sinceMs)) throw wrong("sinceTime", "is no time");
    return {
        previous: flag(params, "previous"),
        follow: flag(params, "follow"),
        timestamps: flag(params, "timestamps"),
        signal,
        ...(tailLines === undefined ? {} : { tailLines }),
        ...(limitBytes === undefined ? {} : { limitBytes }),
        ...(sinceMs === undefined ? {} : { sinceMs }),
    };
}

function flag(params: URLSearchParams, name: string): boolean {
    const value = params.get(name);
    return value === "true" || value === "1";
}

function whole(params: URLSearchParams, name: string): number | undefined {
    const value = params.get(name);
    if (value === null || value === "") return undefined;
    if (!/^\d+$/.test(value)) throw wrong(name, "is no whole number");
    return Number(value);
}

function wrong(field: string, reason: string): RedgeError {
    return new RedgeError("REDGE_KUBELET_REQUEST", { field, reason });
}
