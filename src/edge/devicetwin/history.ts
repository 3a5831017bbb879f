// SPDX-License-Identifier: Apache-2.0
import type { GroupCommit } from "../../store/group-commit.ts";
import type { DocumentStore } from "../../store/store.ts";
import type { TwinChange } from "./documents.ts";
import type { StoredValue } from "./records.ts";

const HISTORY = "history/";
const DIGITS = 12;
const MOST = 10_000;

/** The latest values of each property, on disk: a ring that the version number of the value turns. */
export class History {
    readonly #store: DocumentStore;
    readonly #commits: GroupCommit;
    readonly #length: number;

    /** `length` values are kept for each property; 0 keeps none. */
    constructor(store: DocumentStore, commits: GroupCommit, length: number) {
        this.#store = store;
        this.#commits = commits;
        this.#length = length;
    }

    /** Written with the next commit. */
    changed(device: string, changes: ReadonlyMap<string, TwinChange>): void {
        if (this.#length === 0) return;
        for (const [property, { last, current }] of changes) {
            const { actual, actualVersion } = current ?? {};
            if (actual === undefined || actualVersion === undefined || actual === last?.actual) continue;
            if (actual.quality === "bad") continue;
            this.#commits.put(keyOf(device, property, actualVersion.edge), () => actual);
            const oldest = actualVersion.edge - this.#length;
            if (oldest > 0) this.#commits.delete(keyOf(device, property, oldest));
        }
    }

    /** The newest values of a property, oldest first. */
    async read(device: string, property: string, count: number): Promise<readonly StoredValue[]> {
        const limit = Math.min(Math.max(1, Math.trunc(count)), MOST);
        const entries = await this.#store.scan<StoredValue>(prefixOf(device, property), { reverse: true, limit });
        return entries.map(({ value }) => value).reverse();
    }

    /** Forgets a device's values with the next commit. */
    async forget(device: string): Promise<void> {
        if (this.#length === 0) return;
        for (const { key } of await this.#store.scan(`${HISTORY}${device}/`)) this.#commits.delete(key);
    }
}

function prefixOf(device: string, property: string): string {
    return `${HISTORY}${device}/${encodeURIComponent(property)}/`;
}

function keyOf(device: string, property: string, version: number): string {
    return prefixOf(device, property) + String(version).padStart(DIGITS, "0");
}
