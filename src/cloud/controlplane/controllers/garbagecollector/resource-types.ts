// SPDX-License-Identifier: Apache-2.0
import type { KubeObject, ResourceType } from "../../../../kube/types.ts";

interface CrdSpec {
    readonly group: string;
    readonly scope: string;
    readonly names: { readonly kind: string; readonly plural: string };
    readonly versions: readonly { readonly name: string; readonly served: boolean; readonly storage: boolean }[];
}

/** The resource that a CustomResourceDefinition defines, in a version that is served; undefined: none is. */
export function customResourceType(definition: KubeObject): ResourceType | undefined {
    const { group, scope, names, versions } = definition["spec"] as CrdSpec;
    const served = versions.filter((version) => version.served);
    const version = served.find(({ storage }) => storage) ?? served[0];
    if (version === undefined || definition.metadata.deletionTimestamp !== undefined) return undefined;
    const { kind, plural } = names;
    return { group, version: version.name, kind, plural, namespaced: scope === "Namespaced" };
}

/** Names a resource whatever its version. */
export function typeKey({ group, plural }: ResourceType): string {
    return `${plural}.${group}`;
}
