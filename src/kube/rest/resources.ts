// SPDX-License-Identifier: Apache-2.0
import type { MergeSchema } from "../patch/strategic.ts";
import type { FieldPaths } from "../selectors/fields.ts";
import type { Column } from "../tables/table.ts";
import type { KubeObject, ResourceType } from "../types.ts";
import type { FieldError } from "./status.ts";

export type Verb = "get" | "list" | "watch" | "create" | "update" | "patch" | "delete" | "deletecollection";

export const ALL_VERBS: readonly Verb[] = [
    "create",
    "delete",
    "deletecollection",
    "get",
    "list",
    "patch",
    "update",
    "watch",
];
export const READ_VERBS: readonly Verb[] = ["get", "list", "watch"];

/** What else can be asked of an object below its name. */
export interface Subresource {
    readonly name: string;
    readonly verbs: readonly string[];
    /** Kind of what is read or written there, when it is not the object itself. */
    readonly kind?: { readonly group: string; readonly version: string; readonly kind: string } | undefined;
}

/** Who writes and when, for the rules of a kind. */
export interface WriteContext {
    readonly user: string;
    readonly nowIso: string;
    readonly random: () => number;
    readonly dryRun: boolean;
    readonly subresource: string | undefined;
}

/** The rules of one kind beside those that hold for all. Objects handed in may be changed in place. */
export interface Strategy {
    /** Fills what a client may leave out. Runs on every write. */
    default?(object: KubeObject): void;
    /** Before a create is validated: resets what clients may not set, allocates, looks other objects up. */
    prepareCreate?(object: KubeObject, context: WriteContext): void | Promise<void>;
    prepareUpdate?(next: KubeObject, current: KubeObject, context: WriteContext): void | Promise<void>;
    validate?(object: KubeObject, current: KubeObject | undefined): readonly FieldError[];
    /**
     * Checks types and drops nulls and unknown fields; answers the paths of the unknown ones.
     * @throws 400 for a value of another type
     */
    decode?(object: KubeObject): readonly string[];
}

/** One resource as it is served: what discovery says about it, where it is stored, how it is written and shown. */
export interface ServedResource extends ResourceType {
    readonly singular: string;
    readonly listKind: string;
    readonly shortNames: readonly string[];
    readonly categories: readonly string[];
    readonly verbs: readonly Verb[];
    readonly subresources: readonly Subresource[];
    /** The collection it is kept in, when another group serves the same objects. */
    readonly storedAs?: { readonly group: string; readonly plural: string } | undefined;
    /** Status is written through its own subresource only. */
    readonly hasStatus: boolean;
    /** A create may bring the status along, as a kubelet does when it registers its node. */
    readonly bornWithStatus?: boolean | undefined;
    /** metadata.generation counts changes of the desired state. */
    readonly hasGeneration: boolean;
    /** A status write may change labels and annotations as well (built-in kinds do, custom ones do not). */
    readonly statusCarriesMetadata: boolean;
    readonly selectable: FieldPaths;
    readonly columns: readonly Column[];
    readonly strategy: Strategy;
    /** Undefined: strategic merge patches are refused. */
    readonly mergeSchema?: MergeSchema | undefined;
    /** The OpenAPI v3 schema of a custom kind; built-in kinds have theirs in src/kube/openapi. */
    readonly schema?: Readonly<Record<string, unknown>> | undefined;
    /** Where a custom kind keeps its replicas (spec.versions[].subresources.scale). */
    readonly scalePaths?: Readonly<Record<string, unknown>> | undefined;
    /** From the stored form to that of this version, and back. Undefined: the same. */
    readonly present?: ((object: KubeObject) => KubeObject) | undefined;
    readonly absorb?: ((object: KubeObject) => KubeObject) | undefined;
    /** Printed by kubectl when the version is used. */
    readonly deprecationWarning?: string | undefined;
}

export const collectionOf = (resource: ServedResource): { readonly group: string; readonly plural: string } =>
    resource.storedAs ?? resource;

/** What is served at the moment; custom resources come and go. */
export class ResourceTable {
    readonly #byPath = new Map<string, ServedResource>();
    /** Counts changes, for caches of what is derived from the table. */
    #generation = 0;

    get generation(): number {
        return this.#generation;
    }

    get(group: string, version: string, plural: string): ServedResource | undefined {
        return this.#byPath.get(`${group}/${version}/${plural}`);
    }

    find(group: string, version: string, kind: string): ServedResource | undefined {
        return this.all().find((one) => one.group === group && one.version === version && one.kind === kind);
    }

    all(): readonly ServedResource[] {
        return [...this.#byPath.values()];
    }

    set(resource: ServedResource): void {
        this.#byPath.set(`${resource.group}/${resource.version}/${resource.plural}`, resource);
        this.#generation += 1;
    }

    delete(resource: ResourceType): void {
        if (this.#byPath.delete(`${resource.group}/${resource.version}/${resource.plural}`)) this.#generation += 1;
    }

    /** Groups with their versions, the preferred first. */
    groups(): ReadonlyMap<string, readonly string[]> {
        const groups = new Map<string, string[]>();
        for (const { group, version } of this.#byPath.values()) {
            const versions = groups.get(group) ?? [];
            if (!versions.includes(version)) versions.push(version);
            groups.set(group, versions);
        }
        for (const versions of groups.values()) versions.sort(byVersionPriority);
        return groups;
    }
}

/** Kubernetes' order: GA before beta before alpha, newer first, anything else last by name. */
export function byVersionPriority(a: string, b: string): number {
    const rank = (version: string): readonly [number, number, number] => {
        const match = /^v(\d+)(?:(alpha|beta)(\d+))?$/.exec(version);
        if (match === null) return [3, 0, 0];
        const stage = match[2] === undefined ? 0 : match[2] === "beta" ? 1 : 2;
        return [stage, -Number(match[1]), -Number(match[3] ?? 0)];
    };
    const [left, right] = [rank(a), rank(b)];
    return left[0] - right[0] || left[1] - right[1] || left[2] - right[2] || (a < b ? -1 : 1);
}
