// SPDX-License-Identifier: Apache-2.0
import type { ResourceType } from "../types.ts";

export interface PathParts {
    readonly namespace?: string | undefined;
    readonly name?: string | undefined;
    readonly subresource?: string | undefined;
}

/** The REST path of a collection or an object, e.g. /apis/apps/v1/namespaces/default/deployments/web/scale. */
export function resourcePath(type: ResourceType, { namespace, name, subresource }: PathParts = {}): string {
    let path = type.group === "" ? `/api/${type.version}` : `/apis/${type.group}/${type.version}`;
    if (type.namespaced && namespace !== undefined) path += `/namespaces/${encodeURIComponent(namespace)}`;
    path += `/${type.plural}`;
    if (name !== undefined) path += `/${encodeURIComponent(name)}`;
    if (subresource !== undefined) path += `/${subresource}`;
    return path;
}

/** `?a=1&b=2` of what is defined, or "". */
export function queryString(values: Readonly<Record<string, string | number | boolean | undefined>>): string {
    const query = new URLSearchParams();
    for (const [key, value] of Object.entries(values)) if (value !== undefined) query.set(key, String(value));
    const text = query.toString();
    return text === "" ? "" : `?${text}`;
}
