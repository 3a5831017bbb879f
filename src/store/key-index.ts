// SPDX-License-Identifier: Apache-2.0
import type { ScanOptions } from "./store.ts";

/** Keys in one piece: a change moves so many at most, however many keys there are. */
const PIECE = 512;

/** Between the keys: `at` of `piece`; behind the last piece is the end. */
interface Place {
    readonly piece: number;
    readonly at: number;
}

/** The keys of a store in order, in pieces: hundreds of thousands of kept reports must not make every change slow. */
export class KeyIndex {
    /** None is empty; all keys of one are below those of the next. */
    readonly #pieces: string[][] = [];
    #size: number;

    /** Sorts the array that it is given; it must hold no key twice. */
    constructor(keys: string[] = []) {
        keys.sort(byCodeUnit);
        for (let at = 0; at < keys.length; at += PIECE) this.#pieces.push(keys.slice(at, at + PIECE));
        this.#size = keys.length;
    }

    get size(): number {
        return this.#size;
    }

    add(key: string): void {
        const found = this.#firstNotBelow(key);
        // A key behind all others goes to the end of the last piece.
        const piece = Math.min(found.piece, Math.max(0, this.#pieces.length - 1));
        const keys = this.#pieces[piece];
        if (keys === undefined) {
            this.#pieces.push([key]);
        } else {
            const at = found.piece === piece ? found.at : keys.length;
            if (keys[at] === key) return;
            if (at === keys.length) keys.push(key);
            else keys.splice(at, 0, key);
            if (keys.length > 2 * PIECE) this.#pieces.splice(piece + 1, 0, keys.splice(PIECE));
        }
        this.#size += 1;
    }

    remove(key: string): void {
        const { piece, at } = this.#firstNotBelow(key);
        const keys = this.#pieces[piece];
        if (keys?.[at] !== key) return;
        keys.splice(at, 1);
        this.#size -= 1;
        if (keys.length === 0) this.#pieces.splice(piece, 1);
        else this.#joinNext(piece, keys);
    }

    /** The keys that a scan of `prefix` answers, in the order asked for. */
    window(prefix: string, { after, reverse, limit = Number.POSITIVE_INFINITY }: ScanOptions = {}): string[] {
        if (reverse) {
            const end = this.#search((key) => key >= prefix && !key.startsWith(prefix));
            const before = after === undefined ? end : first(end, this.#firstNotBelow(after));
            return taken(this.#backwards(before), prefix, limit);
        }
        const begin = this.#firstNotBelow(prefix);
        const from =
            after === undefined
                ? begin
                : last(
                      begin,
                      this.#search((key) => key > after),
                  );
        return taken(this.#forwards(from), prefix, limit);
    }

    *#forwards(from: Place): Iterable<string> {
        for (let { piece, at } = from; piece < this.#pieces.length; piece += 1, at = 0) {
            const keys = this.#pieces[piece] ?? [];
            for (; at < keys.length; at += 1) yield keys[at] ?? "";
        }
    }

    *#backwards(before: Place): Iterable<string> {
        for (let { piece, at } = before; piece >= 0; piece -= 1, at = Number.POSITIVE_INFINITY) {
            const keys = this.#pieces[piece] ?? [];
            for (let index = Math.min(at, keys.length) - 1; index >= 0; index -= 1) yield keys[index] ?? "";
        }
    }

    /** Queues that are emptied from the front must not leave pieces of a few keys. */
    #joinNext(piece: number, keys: string[]): void {
        const next = this.#pieces[piece + 1];
        if (next === undefined || keys.length + next.length > PIECE / 2) return;
        this.#pieces.splice(piece, 2, [...keys, ...next]);
    }

    #firstNotBelow(key: string): Place {
        return this.#search((candidate) => candidate >= key);
    }

    /** Binary search for the first key that `isBehind` holds for; it must hold for every later key too. */
    #search(isBehind: (candidate: string) => boolean): Place {
        const piece = firstIndex(this.#pieces.length, (index) => isBehind(this.#pieces[index]?.at(-1) ?? ""));
        const keys = this.#pieces[piece] ?? [];
        return { piece, at: firstIndex(keys.length, (index) => isBehind(keys[index] ?? "")) };
    }
}

function firstIndex(count: number, holds: (index: number) => boolean): number {
    let low = 0;
    let high = count;
    while (low < high) {
        const middle = (low + high) >>> 1;
        if (holds(middle)) high = middle;
        else low = middle + 1;
    }
    return low;
}

function taken(keys: Iterable<string>, prefix: string, limit: number): string[] {
    const found: string[] = [];
    for (const key of keys) {
        if (found.length >= limit || !key.startsWith(prefix)) break;
        found.push(key);
    }
    return found;
}

function isBefore(one: Place, other: Place): boolean {
    return one.piece < other.piece || (one.piece === other.piece && one.at < other.at);
}

function first(one: Place, other: Place): Place {
    return isBefore(one, other) ? one : other;
}

function last(one: Place, other: Place): Place {
    return isBefore(one, other) ? other : one;
}

function byCodeUnit(a: string, b: string): number {
    return a < b ? -1 : a > b ? 1 : 0;
}
