// SPDX-License-Identifier: Apache-2.0

export type Representation =
    | { readonly form: "object" }
    | { readonly form: "table"; readonly version: string }
    | { readonly form: "metadata"; readonly list: boolean };

export interface Accepted {
    readonly representation: Representation;
    readonly mediaType: "application/json" | "application/yaml";
}

/**
 * Picks the representation for an Accept header, in the client's order. Protobuf is not spoken: a client that only
 * takes that gets JSON, which every Kubernetes client reads.
 */
export function negotiate(accept: string | undefined): Accepted {
    for (const clause of (accept ?? "*/*").split(",")) {
        const [mediaType = "", ...rawParameters] = clause.split(";").map((part) => part.trim());
        const parameters = new Map(rawParameters.map((one) => one.split("=", 2) as [string, string]));
        if (mediaType === "application/yaml") return { representation: { form: "object" }, mediaType };
        if (mediaType !== "application/json" && mediaType !== "*/*" && mediaType !== "application/*") continue;
        const representation = representationOf(parameters);
        if (representation !== undefined) return { representation, mediaType: "application/json" };
    }
    return { representation: { form: "object" }, mediaType: "application/json" };
}

function representationOf(parameters: ReadonlyMap<string, string>): Representation | undefined {
    const as = parameters.get("as");
    const version = parameters.get("v") ?? "v1";
    if (as === undefined) return { form: "object" };
    if (parameters.get("g") !== "meta.k8s.io" || !["v1", "v1beta1"].includes(version)) return undefined;
    if (as === "Table") return { form: "table", version };
    if (as === "PartialObjectMetadata") return { form: "metadata", list: false };
    if (as === "PartialObjectMetadataList") return { form: "metadata", list: true };
    return undefined;
}
