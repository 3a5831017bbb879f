// SPDX-License-Identifier: Apache-2.0
import { createHash } from "node:crypto";
import type { ResourceTable, ServedResource } from "./resources.ts";

export const AGGREGATED_V2 = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
export const AGGREGATED_V2BETA1 = "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList";

/** The aggregated discovery version an Accept header prefers over the plain form. */
export function aggregatedVersion(accept: string | undefined): "v2" | "v2beta1" | undefined {
    for (const clause of (accept ?? "").split(",")) {
        const plain = clause.replaceAll(" ", "");
        if (!plain.includes("as=APIGroupDiscoveryList")) {
            if (plain.startsWith("application/json")) return undefined;
            continue;
        }
        if (plain.includes("v=v2beta1")) return "v2beta1";
        if (plain.includes("v=v2")) return "v2";
    }
    return undefined;
}

/** GET /api */
export function apiVersions(): unknown {
    return {
        kind: "APIVersions",
        versions: ["v1"],
        serverAddressByClientCIDRs: [],
    };
}

/** GET /apis */
export function apiGroupList(table: ResourceTable): unknown {
    const groups = [...table.groups()]
        .filter(([group]) => group !== "")
        .map(([group, versions]) => groupOf(group, versions));
    return { kind: "APIGroupList", apiVersion: "v1", groups };
}

/** GET /apis/<group>; undefined when there is no such group. */
export function apiGroup(table: ResourceTable, group: string): unknown {
    const versions = table.groups().get(group);
    return versions === undefined ? undefined : { kind: "APIGroup", apiVersion: "v1", ...groupOf(group, versions) };
}

function groupOf(
    group: string,
    versions: readonly string[],
): { name: string; versions: unknown[]; preferredVersion: unknown } {
    const entries = versions.map((version) => ({ groupVersion: `${group}/${version}`, version }));
    return { name: group, versions: entries, preferredVersion: entries[0] };
}

/** GET /api/v1 or /apis/<group>/<version>; undefined when it is not served. */
export function apiResourceList(table: ResourceTable, group: string, version: string): unknown {
    const served = table.all().filter((one) => one.group === group && one.version === version);
    if (served.length === 0) return undefined;
    const groupVersion = group === "" ? version : `${group}/${version}`;
    return { kind: "APIResourceList", apiVersion: "v1", groupVersion, resources: served.flatMap(resourceEntries) };
}

function resourceEntries(resource: ServedResource): unknown[] {
    const { plural, singular, namespaced, kind, verbs, shortNames, categories } = resource;
    const main = {
        name: plural,
        singularName: singular,
        namespaced,
        kind,
        verbs,
        ...(shortNames.length > 0 ? { shortNames } : {}),
        ...(categories.length > 0 ? { categories } : {}),
        storageVersionHash: createHash("sha256").update(`${resource.group}/${kind}`).digest("base64").slice(0, 12),
    };
    const below = resource.subresources.map((sub) => ({
        name: `${plural}/${sub.name}`,
        singularName: "",
        namespaced,
        ...(sub.kind === undefined ? {} : { group: sub.kind.group, version: sub.kind.version }),
        kind: sub.kind?.kind ?? kind,
        verbs: sub.verbs,
    }));
    return [main, ...below];
}

/** Aggregated discovery: everything in one answer. `core` true for /api, false for /apis. */
export function aggregated(table: ResourceTable, core: boolean, version: "v2" | "v2beta1"): unknown {
    const items = [...table.groups()]
        .filter(([group]) => (group === "") === core)
        .map(([group, versions]) => ({
            metadata: { name: group, creationTimestamp: null },
            versions: versions.map((one) => ({
                version: one,
                resources: table
                    .all()
                    .filter((served) => served.group === group && served.version === one)
                    .map(aggregatedEntry),
                freshness: "Current",
            })),
        }));
    return { kind: "APIGroupDiscoveryList", apiVersion: `apidiscovery.k8s.io/${version}`, metadata: {}, items };
}

function aggregatedEntry(resource: ServedResource): unknown {
    const { group, version, plural, singular, kind, namespaced, verbs, shortNames, categories, subresources } =
        resource;
    return {
        resource: plural,
        responseKind: { group, version, kind },
        scope: namespaced ? "Namespaced" : "Cluster",
        singularResource: singular,
        verbs,
        ...(shortNames.length > 0 ? { shortNames } : {}),
        ...(categories.length > 0 ? { categories } : {}),
        ...(subresources.length > 0
            ? {
                  subresources: subresources.map((sub) => ({
                      subresource: sub.name,
                      responseKind: sub.kind ?? { group, version, kind },
                      verbs: sub.verbs,
                  })),
              }
            : {}),
    };
}
