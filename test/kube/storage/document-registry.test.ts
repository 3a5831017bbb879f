// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import { StatusError } from "../../../src/kube/rest/status.ts";
import { DocumentRegistry } from "../../../src/kube/storage/document-registry.ts";
import { CommitConflict, type ObjectKey } from "../../../src/kube/storage/registry.ts";
import type { Change, Stored } from "../../../src/kube/storage/stored.ts";
import type { KubeObject } from "../../../src/kube/types.ts";
import { MemoryStore } from "../../../src/store/memory-store.ts";
import type { DocumentStore, StoreOp } from "../../../src/store/store.ts";

const THINGS = { group: "", plural: "things" };
const key = (name: string, namespace = "n"): ObjectKey => ({ ...THINGS, namespace, name });
const thing = (name: string, value: number, namespace = "n"): KubeObject => ({
    apiVersion: "v1",
    kind: "Thing",
    metadata: { name, namespace },
    value,
});

async function registryOver(store: DocumentStore, historyLimit = 100): Promise<DocumentRegistry> {
    const registry = new DocumentRegistry(store, { historyLimit });
    await registry.load();
    return registry;
}

const put = (
    registry: DocumentRegistry,
    name: string,
    value: number,
    base?: Stored,
    namespace = "n",
): Promise<Stored> => registry.commit({ key: key(name, namespace), next: thing(name, value, namespace), base });

function follow(
    registry: DocumentRegistry,
    since: number,
): { readonly changes: Change[]; readonly ends: boolean[]; readonly stop: () => void } {
    const changes: Change[] = [];
    const ends: boolean[] = [];
    const stop = registry.watch(THINGS, {
        since,
        onChange: (change) => changes.push(change),
        onEnd: (gone) => ends.push(gone),
    });
    return { changes, ends, stop };
}

/** Writes wait until they are let go, so that what happens meanwhile can be seen. */
class SlowStore extends MemoryStore {
    readonly batches: number[] = [];
    readonly #waiting: (() => void)[] = [];
    failure: Error | undefined;

    override async write(ops: readonly StoreOp[]): Promise<void> {
        this.batches.push(ops.length - 1);
        await new Promise<void>((resolve) => this.#waiting.push(resolve));
        if (this.failure !== undefined) throw this.failure;
        await super.write(ops);
    }

    async release(): Promise<void> {
        while (this.#waiting.length > 0) {
            this.#waiting.shift()?.();
            await new Promise<void>((resolve) => setImmediate(resolve));
        }
    }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("objects in a document store", () => {
    it("gives every change the next resource version", async () => {
        const registry = await registryOver(new MemoryStore());
        const first = await put(registry, "a", 1);
        const second = await put(registry, "b", 1);
        const third = await put(registry, "a", 2, first);
        expect([second.revision - first.revision, third.revision - second.revision]).toEqual([1, 1]);
        expect(third.object.metadata.resourceVersion).toBe(String(third.revision));
        expect(registry.revision).toBe(third.revision);
    });

    it("refuses a change made from another version, and tells what is there", async () => {
        const registry = await registryOver(new MemoryStore());
        const first = await put(registry, "a", 1);
        const second = await put(registry, "a", 2, first);
        await expect(put(registry, "a", 3, first)).rejects.toMatchObject({ current: second });
        await expect(put(registry, "a", 3)).rejects.toBeInstanceOf(CommitConflict);
        await expect(registry.commit({ key: key("b"), next: undefined, base: first })).rejects.toBeInstanceOf(
            CommitConflict,
        );
    });

    it("lets exactly one of many writers win", async () => {
        const registry = await registryOver(new MemoryStore());
        const results = await Promise.allSettled(Array.from({ length: 50 }, (_, value) => put(registry, "a", value)));
        expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    });

    it("lists by namespace in order, with the revision of the moment", async () => {
        const registry = await registryOver(new MemoryStore());
        for (const name of ["b", "a"]) await put(registry, name, 1, undefined, "n");
        const last = await put(registry, "c", 1, undefined, "n-2");
        const all = await registry.list(THINGS, undefined);
        expect(all.items.map(({ object }) => object.metadata.name)).toEqual(["c", "a", "b"]);
        expect(all.revision).toBe(last.revision);
        expect((await registry.list(THINGS, "n")).items.map(({ object }) => object.metadata.name)).toEqual(["a", "b"]);
        expect((await registry.list({ group: "x", plural: "things" }, undefined)).items).toEqual([]);
    });

    it("shows a change only once it is durable, and writes those that wait together", async () => {
        const store = new SlowStore();
        const registry = new DocumentRegistry(store);
        const watching = follow(registry, registry.revision);
        const writes = Array.from({ length: 10 }, (_, at) => put(registry, `a${at}`, 1));
        await turn();
        expect(store.batches).toEqual([10]);
        const late = put(registry, "late", 1);
        expect(await registry.get(key("a0"))).toBeUndefined();
        expect(watching.changes).toEqual([]);
        await store.release();
        await Promise.all([...writes, late]);
        expect(store.batches).toEqual([10, 1]);
        expect(watching.changes).toHaveLength(11);
    });

    it("changes nothing when the store fails, and goes on when it works again", async () => {
        const store = new SlowStore();
        const registry = new DocumentRegistry(store);
        store.failure = new Error("disk full");
        const failing = put(registry, "a", 1);
        const failed = expect(failing).rejects.toThrow("disk full");
        await turn();
        await store.release();
        await failed;
        expect(await registry.get(key("a"))).toBeUndefined();
        const before = registry.revision;
        store.failure = undefined;
        const good = put(registry, "a", 2);
        await turn();
        await store.release();
        expect((await good).revision).toBe(before + 1);
    });

    it("survives a restart: objects, versions and the count", async () => {
        const store = new MemoryStore();
        const registry = await registryOver(store);
        const kept = await put(registry, "kept", 7);
        const gone = await put(registry, "gone", 1);
        const deleted = await registry.commit({ key: key("gone"), next: undefined, base: gone });
        const again = await registryOver(store);
        expect(await again.get(key("gone"))).toBeUndefined();
        expect((await again.get(key("kept")))?.object).toEqual(kept.object);
        expect(again.revision).toBe(deleted.revision);
        expect((await put(again, "new", 1)).revision).toBe(deleted.revision + 1);
    });
});

describe("watching", () => {
    it("tells what happened since a revision, then what happens, in order and once", async () => {
        const registry = await registryOver(new MemoryStore());
        const first = await put(registry, "a", 1);
        const second = await put(registry, "a", 2, first);
        const { changes, stop } = follow(registry, first.revision);
        await registry.commit({ key: key("a"), next: undefined, base: second });
        expect(changes.map(({ type }) => type)).toEqual(["MODIFIED", "DELETED"]);
        expect(changes[1]?.current.revision).toBe(second.revision + 1);
        expect(changes[1]?.current.object["value"]).toBe(2);
        stop();
        await put(registry, "b", 1);
        expect(changes).toHaveLength(2);
    });

    it("refuses a revision whose history is gone", async () => {
        const registry = await registryOver(new MemoryStore(), 10);
        const first = await put(registry, "a", 0);
        let last = first;
        for (let value = 1; value < 40; value += 1) last = await put(registry, "a", value, last);
        expect(() => follow(registry, first.revision)).toThrow(StatusError);
        expect(() => follow(registry, last.revision)).not.toThrow();
        const near = follow(registry, last.revision - 10);
        expect(near.changes).toHaveLength(10);
    });

    it("after a restart goes on from the last revision and refuses older ones", async () => {
        const store = new MemoryStore();
        const registry = await registryOver(store);
        const first = await put(registry, "a", 1);
        const second = await put(registry, "a", 2, first);
        const again = await registryOver(store);
        expect(() => follow(again, first.revision)).toThrow(StatusError);
        const { changes } = follow(again, second.revision);
        const current = await again.get(key("a"));
        await put(again, "a", 3, current);
        expect(changes).toHaveLength(1);
    });

    it("serialises an object once for all watchers", async () => {
        const registry = await registryOver(new MemoryStore());
        const [left, right] = [follow(registry, registry.revision), follow(registry, registry.revision)];
        await put(registry, "a", 1);
        expect(left.changes[0]?.current).toBe(right.changes[0]?.current);
    });

    it("ends every watch when it stops", async () => {
        const registry = await registryOver(new MemoryStore());
        await put(registry, "a", 1);
        const { ends } = follow(registry, registry.revision);
        await registry.stop();
        expect(ends).toEqual([false]);
    });
});
