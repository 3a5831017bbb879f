// SPDX-License-Identifier: Apache-2.0
import { type FieldMatcher, fieldMatcher, parseFieldSelector } from "../selectors/fields.ts";
import { everything, type LabelMatcher, parseLabelSelector } from "../selectors/labels.ts";
import type { ObjectReader, Snapshot } from "../storage/registry.ts";
import type { Stored } from "../storage/stored.ts";
import type { KubeObject } from "../types.ts";
import { collectionOf, type ServedResource } from "./resources.ts";
import type { ListMeta } from "./respond.ts";
import { badRequest, expired } from "./status.ts";

/** Which objects of a collection a request is about. */
export interface Selection {
    readonly namespace: string | undefined;
    readonly matches: (object: KubeObject) => boolean;
    /** metadata.name, when the selector names exactly one object. */
    readonly name: string | undefined;
}

export function readSelection(
    resource: ServedResource,
    namespace: string | undefined,
    query: URLSearchParams,
    name?: string,
): Selection {
    const labels: LabelMatcher = query.get("labelSelector")
        ? parseLabelSelector(query.get("labelSelector") ?? "")
        : everything;
    const terms = parseFieldSelector(query.get("fieldSelector") ?? "");
    const fields: FieldMatcher = fieldMatcher(terms, resource.selectable);
    const only = name ?? terms.find((term) => term.field === "metadata.name" && term.equal)?.value;
    const ofName = (object: KubeObject): boolean => name === undefined || object.metadata.name === name;
    return {
        namespace: resource.namespaced ? namespace : undefined,
        name: only,
        matches: (object) => ofName(object) && labels(object.metadata.labels) && fields(object),
    };
}

interface Page {
    readonly revision: number;
    /** "namespace/name" of the last object told. */
    readonly after: string;
}

/** Lists kept for `continue`: a page must come from the snapshot its first page came from. */
export class ListPages {
    readonly #snapshots = new Map<string, Snapshot>();
    readonly #limit: number;

    constructor(limit = 16) {
        this.#limit = limit;
    }

    /** @throws 400 for a bad limit or token, 410 when the snapshot of a token is gone */
    async page(
        reader: ObjectReader,
        resource: ServedResource,
        selection: Selection,
        query: URLSearchParams,
    ): Promise<{ readonly items: readonly Stored[]; readonly meta: ListMeta }> {
        const limit = Number(query.get("limit") ?? 0);
        if (!Number.isInteger(limit) || limit < 0)
            throw badRequest(`limit "${query.get("limit")}" is not a whole number`);
        const token = query.get("continue");
        const page = token ? readToken(token) : undefined;
        const snapshot = await this.#snapshot(reader, resource, selection.namespace, page?.revision);
        let matching = snapshot.items.filter((stored) => selection.matches(stored.object));
        if (page !== undefined) matching = matching.filter((stored) => position(stored) > page.after);
        const resourceVersion = String(snapshot.revision);
        if (limit === 0 || matching.length <= limit) return { items: matching, meta: { resourceVersion } };
        const items = matching.slice(0, limit);
        const last = items.at(-1);
        this.#keep(resource, selection.namespace, snapshot);
        const next: Page = { revision: snapshot.revision, after: last === undefined ? "" : position(last) };
        const meta = {
            resourceVersion,
            continue: Buffer.from(JSON.stringify(next)).toString("base64url"),
            remainingItemCount: matching.length - limit,
        };
        return { items, meta };
    }

    async #snapshot(
        reader: ObjectReader,
        resource: ServedResource,
        namespace: string | undefined,
        revision: number | undefined,
    ): Promise<Snapshot> {
        if (revision === undefined) return reader.list(collectionOf(resource), namespace);
        const kept = this.#snapshots.get(snapshotKey(resource, namespace, revision));
        if (kept !== undefined) return kept;
        throw expired(
            "The provided continue parameter is too old to display a consistent list result. Start a new list without the continue parameter.",
        );
    }

    #keep(resource: ServedResource, namespace: string | undefined, snapshot: Snapshot): void {
        const key = snapshotKey(resource, namespace, snapshot.revision);
        this.#snapshots.delete(key);
        this.#snapshots.set(key, snapshot);
        const oldest = this.#snapshots.keys().next();
        if (this.#snapshots.size > this.#limit && oldest.done !== true) this.#snapshots.delete(oldest.value);
    }
}

const position = ({ object }: Stored): string => `${object.metadata.namespace ?? ""}/${object.metadata.name}`;

const snapshotKey = (resource: ServedResource, namespace: string | undefined, revision: number): string =>
    `${revision}/${resource.group}/${resource.plural}/${namespace ?? "*"}`;

function readToken(token: string): Page {
    try {
        const page = JSON.parse(Buffer.from(token, "base64url").toString()) as Partial<Page>;
        if (typeof page.revision === "number" && typeof page.after === "string")
            return { revision: page.revision, after: page.after };
    } catch {
        // Told below: whatever is wrong with a token, the answer is the same.
    }
    throw badRequest("continue key is not valid");
}
