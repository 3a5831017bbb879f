// SPDX-License-Identifier: Apache-2.0
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { isRedgeError } from "../../src/core/errors/redge-error.ts";
import { MemoryStore } from "../../src/store/memory-store.ts";
import type { DocumentStore, ScanOptions, StoreOp } from "../../src/store/store.ts";

/** What one engine needs to be put through the contract. */
export interface Subject {
    open(): Promise<DocumentStore>;
    dispose(): Promise<void>;
    /** Closing and opening again finds what was written. */
    readonly durable: boolean;
}

const put = (key: string, value: unknown): StoreOp => ({ op: "put", key, value });
const del = (key: string): StoreOp => ({ op: "delete", key });
const keysOf = async (store: DocumentStore, prefix: string, options?: ScanOptions): Promise<string[]> =>
    (await store.scan(prefix, options)).map((entry) => entry.key);

/** What every engine must do; run on each of them. */
export function storeContract(name: string, create: () => Promise<Subject>): void {
    describe(`document store contract: ${name}`, () => {
        let subject: Subject;
        let store: DocumentStore;

        beforeEach(async () => {
            subject = await create();
            store = await subject.open();
        });
        afterEach(async () => {
            await store.close();
            await subject.dispose();
        });

        test("gives back what was put, and undefined for what was not", async () => {
            const value = { labels: { "app.kubernetes.io/name": "a", $set: 1 }, list: [1, null, "ü", 0.1], on: true };
            await store.write([put("a", value), put("b", null), put("c", "text"), put("d", { $$date: 1 })]);
            expect(await store.get("a")).toEqual(value);
            expect(await store.get("b")).toBeNull();
            expect(await store.get("c")).toBe("text");
            expect(await store.get("d")).toEqual({ $$date: 1 });
            expect(await store.get("e")).toBeUndefined();
        });

        test("hands out copies", async () => {
            const value = { inner: [1] };
            await store.write([put("a", value)]);
            value.inner.push(2);
            const first = await store.get<{ inner: number[] }>("a");
            first?.inner.push(3);
            expect(await store.get("a")).toEqual({ inner: [1] });
        });

        test("the last of several operations on a key counts", async () => {
            await store.write([put("a", 1), del("a"), put("a", 2), put("b", 1), del("b"), del("never")]);
            expect(await store.get("a")).toBe(2);
            expect(await store.get("b")).toBeUndefined();
            expect(await keysOf(store, "")).toEqual(["a"]);
        });

        test("scans a prefix in key order, both ways, in pages", async () => {
            await store.write(
                ["pod/b", "pod/a", "pods/x", "po", "pod/", "node/a", "pod/c"].map((key) => put(key, key)),
            );
            expect(await keysOf(store, "pod/")).toEqual(["pod/", "pod/a", "pod/b", "pod/c"]);
            expect(await keysOf(store, "pod/", { reverse: true })).toEqual(["pod/c", "pod/b", "pod/a", "pod/"]);
            expect(await keysOf(store, "pod/", { limit: 2 })).toEqual(["pod/", "pod/a"]);
            expect(await keysOf(store, "pod/", { after: "pod/a", limit: 1 })).toEqual(["pod/b"]);
            expect(await keysOf(store, "pod/", { after: "pod/aa" })).toEqual(["pod/b", "pod/c"]);
            expect(await keysOf(store, "pod/", { after: "pod/c" })).toEqual([]);
            expect(await keysOf(store, "pod/", { after: "pod/b", reverse: true })).toEqual(["pod/a", "pod/"]);
            expect(await keysOf(store, "pod/", { reverse: true, limit: 1 })).toEqual(["pod/c"]);
            expect(await keysOf(store, "pod/", { limit: 0 })).toEqual([]);
            expect(await keysOf(store, "zzz")).toEqual([]);
            expect(await keysOf(store, "")).toHaveLength(7);
        });

        test("orders by UTF-16 code unit, whatever the script", async () => {
            const keys = ["a", "Z", "ä", "\u{1f600}", "\uffee", "\ud7ff", "\ue000", "é/ü", "0"];
            await store.write(keys.map((key) => put(key, 1)));
            expect(await keysOf(store, "")).toEqual([...keys].sort());
        });

        test("a batch with a value that is not JSON is refused whole", async () => {
            await store.write([put("a", 1)]);
            for (const wrong of [undefined, 1n, () => 1]) {
                const refused = store.write([put("a", 2), put("b", wrong), del("a")]);
                await expect(refused).rejects.toSatisfy((error) => isRedgeError(error, "REDGE_STORE_VALUE"));
            }
            expect(await store.get("a")).toBe(1);
            expect(await keysOf(store, "")).toEqual(["a"]);
        });

        test("many writers at once: each acknowledged write is there", async () => {
            const writes = Array.from({ length: 300 }, (_, at) => store.write([put(`k/${at}`, at), put("last", at)]));
            await Promise.all(writes);
            expect(await store.scan("k/")).toHaveLength(300);
            expect(await store.get("last")).toBe(299);
        });

        test("a reader sees a batch whole or not at all", async () => {
            await store.write([put("x/a", 0), put("x/b", 0)]);
            let writing = true;
            const writer = (async () => {
                for (let n = 1; n <= 50; n += 1) await store.write([put("x/a", n), put("x/b", n)]);
                writing = false;
            })();
            while (writing) {
                const values = (await store.scan<number>("x/")).map((entry) => entry.value);
                expect(values[0]).toBe(values[1]);
                await new Promise((resolve) => setImmediate(resolve));
            }
            await writer;
        });

        test("closing twice is fine; a closed store refuses", async () => {
            await store.write([put("a", 1)]);
            await store.close();
            await store.close();
            const isClosed = (error: unknown) => isRedgeError(error, "REDGE_STORE_CLOSED");
            await expect(store.get("a")).rejects.toSatisfy(isClosed);
            await expect(store.scan("")).rejects.toSatisfy(isClosed);
            await expect(store.write([del("a")])).rejects.toSatisfy(isClosed);
        });

        test("closing waits for what was asked for", async () => {
            const write = store.write([put("a", 1)]);
            await store.close();
            await write;
            if (!subject.durable) return;
            store = await subject.open();
            expect(await store.get("a")).toBe(1);
        });

        test("does what a model does, also across closing and opening", async () => {
            const key = fc.constantFrom("a", "a/1", "a/2", "a/22", "b", "b/ü", "b/\u{1f600}", "b/\uffff", "");
            const op = fc.oneof(
                fc.record({ op: fc.constant("put" as const), key, value: fc.jsonValue() }),
                fc.record({ op: fc.constant("delete" as const), key }),
            );
            const step = fc.oneof(
                { weight: 6, arbitrary: fc.array(op, { maxLength: 5 }).map((ops) => ({ ops, reopen: false })) },
                { weight: 1, arbitrary: fc.constant({ ops: [] as StoreOp[], reopen: subject.durable }) },
            );
            const options = fc.record(
                { after: key, limit: fc.nat(4), reverse: fc.boolean() },
                { requiredKeys: [] as never[] },
            );
            await fc.assert(
                fc.asyncProperty(fc.array(step, { maxLength: 12 }), key, options, async (steps, prefix, how) => {
                    const model = new MemoryStore();
                    await store.write((await keysOf(store, "")).map(del));
                    for (const { ops, reopen } of steps) {
                        await Promise.all([model.write(ops), store.write(ops)]);
                        if (!reopen) continue;
                        await store.close();
                        store = await subject.open();
                    }
                    expect(await store.scan("")).toEqual(await model.scan(""));
                    expect(await store.scan(prefix, how)).toEqual(await model.scan(prefix, how));
                    expect(await store.get(prefix)).toEqual(await model.get(prefix));
                }),
                { numRuns: 60 },
            );
        });
    });
}
