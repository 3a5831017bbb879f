// SPDX-License-Identifier: Apache-2.0

/** More than a node can still be busy with of what was taken from it. */
const KEYS_PER_NODE = 64;
const NODES = 10_000;

/** What nodes had to do with and no longer have, the newest of it: a node that still asks for it means no harm. */
export class OnceHeld {
    readonly #byNode = new Map<string, Set<string>>();

    add(node: string, key: string): void {
        const keys = this.#byNode.get(node) ?? new Set<string>();
        this.#byNode.delete(node);
        this.#byNode.set(node, keys);
        keys.delete(key);
        keys.add(key);
        dropOldest(keys, KEYS_PER_NODE);
        dropOldest(this.#byNode, NODES);
    }

    has(node: string, key: string): boolean {
        return this.#byNode.get(node)?.has(key) ?? false;
    }

    forget(node: string): void {
        this.#byNode.delete(node);
    }
}

function dropOldest(kept: Set<string> | Map<string, unknown>, limit: number): void {
    if (kept.size <= limit) return;
    for (const key of kept.keys()) {
        kept.delete(key);
        return;
    }
}
