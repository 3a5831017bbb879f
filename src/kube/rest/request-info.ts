// SPDX-License-Identifier: Apache-2.0

/** A request for objects, as its path says. */
export interface ResourcePath {
    readonly group: string;
    readonly version: string;
    /** Undefined: cluster-scoped, or a list over all namespaces. */
    readonly namespace: string | undefined;
    readonly plural: string;
    readonly name: string | undefined;
    readonly subresource: string | undefined;
    /** What follows the subresource, with its leading slash (proxy). */
    readonly rest: string;
    /** The old /watch/ form of the path. */
    readonly watch: boolean;
}

/** Reads /api/v1/... and /apis/<group>/<version>/...; undefined when the path names no resource. */
export function parseResourcePath(pathname: string): ResourcePath | undefined {
    const parts = pathname.split("/").slice(1);
    if (parts.at(-1) === "") parts.pop();
    const root = parts.shift();
    if (root !== "api" && root !== "apis") return undefined;
    const group = root === "api" ? "" : parts.shift();
    const version = parts.shift();
    if (group === undefined || version === undefined || parts.length === 0) return undefined;
    const watch = parts[0] === "watch";
    if (watch) parts.shift();
    let namespace: string | undefined;
    // "namespaces/x", "namespaces/x/status" and "namespaces/x/finalize" are about the namespace itself.
    const ofNamespace = parts.length === 3 && (parts[2] === "status" || parts[2] === "finalize");
    if (parts[0] === "namespaces" && parts.length > 2 && !ofNamespace) {
        namespace = decode(parts[1]);
        parts.splice(0, 2);
    }
    const [plural, name, subresource, ...rest] = parts;
    if (plural === undefined) return undefined;
    return {
        group,
        version,
        namespace,
        plural,
        name: name === undefined ? undefined : decode(name),
        subresource,
        rest: rest.length === 0 ? "" : `/${rest.join("/")}`,
        watch,
    };
}

function decode(part: string | undefined): string {
    try {
        return decodeURIComponent(part ?? "");
    } catch {
        return part ?? "";
    }
}
