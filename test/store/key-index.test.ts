// SPDX-License-Identifier: Apache-2.0
import fc from "fast-check";
import { expect, test } from "vitest";
import { KeyIndex } from "../../src/store/key-index.ts";
import type { ScanOptions } from "../../src/store/store.ts";

interface Asked extends ScanOptions {
    readonly prefix: string;
}

/** The same by looking at every key. */
function windowOf(keys: Iterable<string>, { prefix, after, reverse, limit }: Asked): string[] {
    const found = [...keys].filter((key) => key.startsWith(prefix)).sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
    if (reverse) found.reverse();
    const behind = found.filter((key) => after === undefined || (reverse ? key < after : key > after));
    return behind.slice(0, limit);
}

/** There already: more than one piece, and in the midst of the others. */
const many = Array.from({ length: 1700 }, (_, index) => `ab${String(index * 3).padStart(4, "0")}/`);

/** Few keys under few prefixes, so that they meet. */
const key = fc
    .tuple(fc.constantFrom("", "a", "ab", "a/", "b", "z\uffff"), fc.integer({ min: 0, max: 3000 }))
    .map(([prefix, number]) => prefix + String(number).padStart(4, "0"));
const options = fc.record(
    { reverse: fc.boolean(), after: key, limit: fc.integer({ min: 0, max: 50 }) },
    { requiredKeys: [] },
);
const asked = fc
    .record({
        options,
        prefix: fc.constantFrom("", "a", "ab", "a/", "b", "c", "z", "z\uffff", "a/00", "~"),
    })
    .map(({ prefix, options }): Asked => ({ prefix, ...options }));

test("answers as a look at every key does, whatever was added and removed", () => {
    const changes = fc.array(fc.tuple(fc.boolean(), key), { maxLength: 400 });
    fc.assert(
        fc.property(fc.uniqueArray(key, { maxLength: 400 }), changes, fc.array(asked), (given, done, questions) => {
            const index = new KeyIndex([...given, ...many]);
            const keys = new Set([...given, ...many]);
            for (const [adding, one] of done) {
                if (adding) index.add(one);
                else index.remove(one);
                if (adding) keys.add(one);
                else keys.delete(one);
            }
            expect(index.size).toBe(keys.size);
            for (const question of questions)
                expect(index.window(question.prefix, question)).toEqual(windowOf(keys, question));
        }),
    );
});

test("many keys, added in any order and taken from the front of each queue, stay in order", () => {
    const index = new KeyIndex();
    const keys = new Set<string>();
    const nameOf = (queue: number, number: number): string => `q${queue}/${String(number).padStart(6, "0")}`;
    for (let number = 0; number < 400; number += 1) {
        for (let queue = 0; queue < 20; queue += 1) {
            index.add(nameOf(queue, number));
            keys.add(nameOf(queue, number));
        }
    }
    const all: Asked = { prefix: "" };
    expect(index.window("")).toEqual(windowOf(keys, all));
    for (let queue = 0; queue < 20; queue += 1) {
        for (let number = 0; number < 390; number += 1) {
            index.remove(nameOf(queue, number));
            keys.delete(nameOf(queue, number));
        }
        expect(index.window(`q${queue}/`)).toEqual(windowOf(keys, { ...all, prefix: `q${queue}/` }));
    }
    expect(index.size).toBe(200);
    expect(index.window("", { reverse: true })).toEqual(windowOf(keys, { ...all, reverse: true }));
});
