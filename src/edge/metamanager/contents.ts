// SPDX-License-Identifier: Apache-2.0
import { errorText, RedgeError } from "../../core/errors/redge-error.ts";
import type { KubeObject } from "../../kube/types.ts";

/** Stock answers carry `{Object, Err}` or the bare object (wire protocol, section 5.3). */
export function unwrap(content: unknown): unknown {
    if (content === null || typeof content !== "object" || !("Object" in content)) return content;
    return (content as { Object: unknown }).Object;
}

export function withVersion(object: KubeObject, headerVersion: string | undefined): KubeObject {
    if (object.metadata.resourceVersion !== undefined || headerVersion === undefined) return object;
    return { ...object, metadata: { ...object.metadata, resourceVersion: headerVersion } };
}

/** @throws REDGE_ENVELOPE_NOT_JSON */
export function parsePatch(
    content: unknown,
): { metadata?: { uid?: string }; status?: Readonly<Record<string, unknown>> } | undefined {
    try {
        const value: unknown = typeof content === "string" ? JSON.parse(content) : content;
        return value !== null && typeof value === "object" ? value : undefined;
    } catch (thrown) {
        throw new RedgeError("REDGE_ENVELOPE_NOT_JSON", { reason: errorText(thrown) });
    }
}

export function withoutNulls(status: Readonly<Record<string, unknown>> | undefined): Record<string, unknown> {
    return Object.fromEntries(
        Object.entries(status ?? {}).map(([key, value]) => [key, value === null ? undefined : value]),
    );
}
