// SPDX-License-Identifier: Apache-2.0
import type { DocumentStore } from "../../store/store.ts";

const GRANTS = "grants/";

/**
 * What the cluster allowed workloads to write, by account, verb, resource and namespace. Roles are not known at the
 * edge: without a link an account may do again what the cluster let it do last, and nothing else.
 */
export class Grants {
    readonly #store: DocumentStore;
    readonly #known = new Set<string>();

    constructor(store: DocumentStore) {
        this.#store = store;
    }

    async load(): Promise<void> {
        for (const { key } of await this.#store.scan(GRANTS)) this.#known.add(key.slice(GRANTS.length));
    }

    has(actor: string, verb: string, plural: string, namespace: string): boolean {
        return this.#known.has(keyOf(actor, verb, plural, namespace));
    }

    async grant(actor: string, verb: string, plural: string, namespace: string): Promise<void> {
        const key = keyOf(actor, verb, plural, namespace);
        if (this.#known.has(key)) return;
        await this.#store.write([{ op: "put", key: GRANTS + key, value: true }]);
        this.#known.add(key);
    }

    async revoke(actor: string, verb: string, plural: string, namespace: string): Promise<void> {
        const key = keyOf(actor, verb, plural, namespace);
        if (!this.#known.delete(key)) return;
        await this.#store.write([{ op: "delete", key: GRANTS + key }]);
    }
}

/** A patch is an update of what it was applied to. */
function keyOf(actor: string, verb: string, plural: string, namespace: string): string {
    return [actor, verb === "patch" ? "update" : verb, plural, namespace].join("/");
}
