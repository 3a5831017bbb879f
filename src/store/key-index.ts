// SPDX-License-Identifier: Apache-2.0
import type { ScanOptions } from "./store.ts";

/** The keys of a store in order. Adding behind the last key costs nothing, elsewhere one move of the tail. */
export class KeyIndex {
    readonly #keys: string[];

    /** Takes the array over and sorts it; it must hold no key twice. */
    constructor(keys: string[] = []) {
        this.#keys = keys.sort(byCodeUnit);
    }

    get size(): number {
        return this.#keys.length;
    }

    add(key: string): void {
        const at = this.#firstNotBelow(key);
        if (this.#keys[at] === key) return;
        if (at === this.#keys.length) this.#keys.push(key);
        else this.#keys.splice(at, 0, key);
    }

    remove(key: string): void {
        const at = this.#firstNotBelow(key);
        if (this.#keys[at] !== key) return;
        if (at === this.#keys.length - 1) this.#keys.pop();
        else this.#keys.splice(at, 1);
    }

    /** The keys that a scan of `prefix` answers, in the order asked for. */
    window(prefix: string, options: ScanOptions = {}): string[] {
        let from = this.#firstNotBelow(prefix);
        let to = this.#firstBehindPrefix(prefix, from);
        if (options.after !== undefined) {
            if (options.reverse) to = Math.min(to, this.#firstNotBelow(options.after));
            else from = Math.max(from, this.#firstAbove(options.after));
        }
        const count = Math.max(0, Math.min(to - from, options.limit ?? Number.POSITIVE_INFINITY));
        return options.reverse ? this.#keys.slice(to - count, to).reverse() : this.#keys.slice(from, from + count);
    }

    #firstNotBelow(key: string): number {
        return this.#search((candidate) => candidate >= key);
    }

    #firstAbove(key: string): number {
        return this.#search((candidate) => candidate > key);
    }

    #firstBehindPrefix(prefix: string, from: number): number {
        return this.#search((candidate) => candidate > prefix && !candidate.startsWith(prefix), from);
    }

    /** Binary search for the first key that `isBehind` holds for; it must hold for every later key too. */
    #search(isBehind: (candidate: string) => boolean, from = 0): number {
        let low = from;
        let high = this.#keys.length;
        while (low < high) {
            const middle = (low + high) >>> 1;
            if (isBehind(this.#keys[middle] ?? "")) high = middle;
            else low = middle + 1;
        }
        return low;
    }
}

function byCodeUnit(a: string, b: string): number {
    return a < b ? -1 : a > b ? 1 : 0;
}
