// SPDX-License-Identifier: Apache-2.0
import type { KubeObject } from "../types.ts";

/** The values under which an object is to be found, e.g. the node a pod runs on. */
export type IndexFunction<T extends KubeObject> = (object: T) => readonly string[];

/** Objects by namespace and name, and by any number of indexes. */
export class ObjectIndex<T extends KubeObject> {
    readonly #objects = new Map<string, T>();
    readonly #indexes = new Map<
        string,
        { readonly values: IndexFunction<T>; readonly keys: Map<string, Set<string>> }
    >();

    constructor(indexes: Readonly<Record<string, IndexFunction<T>>>) {
        for (const [name, values] of Object.entries(indexes)) this.#indexes.set(name, { values, keys: new Map() });
    }

    key(object: T): string {
        return keyOf(object.metadata.namespace, object.metadata.name);
    }

    get(namespace: string | undefined, name: string): T | undefined {
        return this.#objects.get(keyOf(namespace, name));
    }

    list(): readonly T[] {
        return [...this.#objects.values()];
    }

    byIndex(index: string, value: string): readonly T[] {
        const keys = this.#indexes.get(index)?.keys.get(value);
        if (keys === undefined) return [];
        return [...keys].flatMap((key) => this.#objects.get(key) ?? []);
    }

    put(object: T): void {
        const key = this.key(object);
        this.#unindex(key);
        this.#objects.set(key, object);
        for (const { values, keys } of this.#indexes.values()) {
            for (const value of values(object)) {
                const set = keys.get(value);
                if (set === undefined) keys.set(value, new Set([key]));
                else set.add(key);
            }
        }
    }

    delete(namespace: string | undefined, name: string): void {
        const key = keyOf(namespace, name);
        this.#unindex(key);
        this.#objects.delete(key);
    }

    #unindex(key: string): void {
        const known = this.#objects.get(key);
        if (known === undefined) return;
        for (const { values, keys } of this.#indexes.values()) {
            for (const value of values(known)) {
                const set = keys.get(value);
                set?.delete(key);
                if (set?.size === 0) keys.delete(value);
            }
        }
    }
}

function keyOf(namespace: string | undefined, name: string): string {
    return `${namespace ?? ""}/${name}`;
}
