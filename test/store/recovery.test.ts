// SPDX-License-Identifier: Apache-2.0
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Datastore from "@seald-io/nedb";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../../src/core/clock.ts";
import { isRedgeError } from "../../src/core/errors/redge-error.ts";
import { createLogger, type LogLevel } from "../../src/core/log.ts";
import { NedbStore } from "../../src/store/nedb-store.ts";
import { openStore } from "../../src/store/open-store.ts";
import type { DocumentStore, StoreEntry, StoreOp } from "../../src/store/store.ts";

let folder: string;
let path: string;
let lines: { readonly level: LogLevel; readonly fields: Readonly<Record<string, unknown>> }[];
const ports = () => ({
    clock: systemClock,
    log: createLogger((level, _text, fields) => lines.push({ level, fields })),
});
const put = (key: string, value: unknown): StoreOp => ({ op: "put", key, value });

beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "redge-store-"));
    path = join(folder, "store.db");
    lines = [];
});
afterEach(() => rm(folder, { recursive: true }));

const open = (engine: "nedb" | "sqlite" = "nedb"): Promise<DocumentStore> => openStore({ engine, path }, ports());

/** Opens, answers everything that is stored, closes. */
async function contents(engine: "nedb" | "sqlite" = "nedb"): Promise<Record<string, unknown>> {
    const store = await open(engine);
    const entries = await store.scan("");
    await store.close();
    return asObject(entries);
}

function asObject(entries: readonly StoreEntry<unknown>[]): Record<string, unknown> {
    return Object.fromEntries(entries.map(({ key, value }) => [key, value]));
}

describe("a torn data file (nedb)", () => {
    test("cut at any byte, it opens with whole batches only, and takes writes", async () => {
        const store = await open();
        const lengths: number[] = [(await stat(path)).size];
        const states: Record<string, unknown>[] = [{}];
        const batches: StoreOp[][] = [
            [put("a", 1)],
            [put("a", 2), put("b", { text: "ü\n" }), put("c", [])],
            [{ op: "delete", key: "b" }, put("d", "x")],
        ];
        for (const batch of batches) {
            await store.write(batch);
            lengths.push((await stat(path)).size);
            states.push(asObject(await store.scan("")));
        }
        await store.close();
        const whole = await readFile(path);
        for (let length = 0; length <= whole.length; length += 1) {
            await writeFile(path, whole.subarray(0, length));
            // A last line that lacks its newline only is whole.
            const complete = lengths.filter((end) => length >= end - 1).length;
            const expected = states[Math.max(0, complete - 1)];
            // Without the lock of openStore: this happens some hundred times.
            const cut = await NedbStore.open(path, ports());
            expect(asObject(await cut.scan("")), `cut at ${length} of ${whole.length}`).toEqual(expected);
            await cut.write([put("later", length)]);
            await cut.close();
            if (length % 10 === 0) expect(await contents()).toEqual({ ...expected, later: length });
        }
    });

    test("zeros behind the end, as a power cut leaves them, are removed", async () => {
        const store = await open();
        await store.write([put("a", 1)]);
        await store.close();
        const { size } = await stat(path);
        await truncate(path, size + 5_000);
        expect(await contents()).toEqual({ a: 1 });
        expect((await stat(path)).size).toBe(size);
    });
});

describe("a damaged data file (nedb)", () => {
    test("loses the damaged lines only, keeps them aside and says so", async () => {
        const store = await open();
        for (const key of ["a", "b", "c", "d"]) await store.write([put(key, key)]);
        await store.close();
        const text = await readFile(path, "utf8");
        await writeFile(path, text.replace('{"_id":"b"', '{"_id?"b"').replace('{"_id":"c"', "\u0000\u0000"));
        expect(await contents()).toEqual({ a: "a", d: "d" });
        const kept = (await readdir(folder)).filter((name) => name.includes(".damaged-"));
        expect(kept).toHaveLength(1);
        expect(await readFile(join(folder, kept[0] ?? ""), "utf8")).toContain('{"_id?"b"');
        expect(lines.find(({ level }) => level === "error")?.fields["kept"]).toBe(join(folder, kept[0] ?? ""));
        expect(await contents()).toEqual({ a: "a", d: "d" });
        expect((await readdir(folder)).filter((name) => name.includes(".damaged-"))).toHaveLength(1);
    });

    test("a damaged first line does not make it another format", async () => {
        const store = await open();
        await store.write([put("a", { x: 1 })]);
        await store.close();
        const text = await readFile(path, "utf8");
        await writeFile(path, `#${text.slice(1)}`);
        expect(await contents()).toEqual({ a: { x: 1 } });
    });
});

describe("formats", () => {
    test.each(["nedb", "sqlite"] as const)("%s: a newer one is refused and left alone", async (engine) => {
        const store = await open(engine);
        await store.write([put("a", 1)]);
        await store.close();
        if (engine === "nedb") {
            await writeFile(path, (await readFile(path, "utf8")).replace('"format":1', '"format":2'));
        } else {
            const { DatabaseSync } = await import("node:sqlite");
            const database = new DatabaseSync(path);
            database.exec("PRAGMA user_version = 2");
            database.close();
        }
        const before = await readFile(path);
        await expect(open(engine)).rejects.toSatisfy((error) => isRedgeError(error, "REDGE_STORE_NEWER"));
        expect((await readFile(path)).equals(before)).toBe(true);
        expect((await readdir(folder)).filter((name) => name.endsWith(".lock"))).toEqual([]);
    });

    test("a file of plain nedb is taken over, and plain nedb opens ours", async () => {
        const plain = new Datastore({ filename: path, autoload: true });
        await plain.insertAsync([{ _id: "a", name: "first" }]);
        await plain.updateAsync({ _id: "a" }, { $set: { name: "second" } });
        expect(await contents()).toEqual({ a: { name: "second" } });
        const again = new Datastore<{ v: string }>({ filename: path });
        await again.loadDatabaseAsync();
        expect(JSON.parse((await again.findOneAsync({ _id: "a" })).v)).toEqual({ name: "second" });
    });
});

describe("one writer", () => {
    test.each(["nedb", "sqlite"] as const)("%s: a second opening names the process that has it", async (engine) => {
        const store = await open(engine);
        const isLocked = (error: unknown) =>
            isRedgeError(error, "REDGE_STORE_LOCKED") && error.details["pid"] === process.pid;
        await expect(open(engine)).rejects.toSatisfy(isLocked);
        await store.close();
        await (await open(engine)).close();
    });

    test("another live process keeps it, a dead one does not, nor one whose number was given again", async () => {
        const other = spawn("sleep", ["60"]);
        await once(other, "spawn");
        const lock = (born: string) => writeFile(`${path}.lock`, JSON.stringify({ pid: other.pid, born, nonce: "0" }));
        const isLocked = (error: unknown) =>
            isRedgeError(error, "REDGE_STORE_LOCKED") && error.details["pid"] === other.pid;
        const boot = (await readFile("/proc/sys/kernel/random/boot_id", "utf8")).trim();
        const born = (await readFile(`/proc/${other.pid}/stat`, "utf8")).split(") ")[1]?.split(" ")[19];
        await lock(`${boot} ${born}`);
        await expect(open()).rejects.toSatisfy(isLocked);
        await lock(`${boot} 1`);
        await (await open()).close();
        await lock(`${boot} ${born}`);
        other.kill("SIGKILL");
        await once(other, "exit");
        await (await open()).close();
        await writeFile(`${path}.lock`, "");
        await (await open()).close();
    });
});

describe("compaction (nedb)", () => {
    test("writes go on meanwhile, and the file holds what memory holds", async () => {
        const store = await NedbStore.open(path, ports());
        for (let round = 0; round < 20; round += 1)
            await Promise.all(Array.from({ length: 100 }, (_, at) => store.write([put(`k${at}`, round)])));
        const before = (await stat(path)).size;
        const compaction = store.compact();
        let writes = 0;
        let isDone = false;
        void compaction.then(() => {
            isDone = true;
        });
        while (!isDone) {
            writes += 1;
            await store.write([put(`k${writes % 100}`, `during ${writes}`), put("last", writes)]);
        }
        await compaction;
        expect((await stat(path)).size).toBeLessThan(before);
        await store.write([put("after", 1)]);
        const inMemory = await store.scan("");
        await store.close();
        const again = await NedbStore.open(path, ports());
        expect(await again.scan("")).toEqual(inMemory);
        expect(await again.get("last")).toBe(writes);
        await again.close();
    });

    test("happens by itself when most lines are dead", async () => {
        const store = await open();
        const big = "x".repeat(1_000);
        for (let round = 0; round < 60; round += 1)
            await Promise.all(Array.from({ length: 100 }, (_, at) => store.write([put(`k${at}`, `${big}${round}`)])));
        await store.close();
        expect((await stat(path)).size).toBeLessThan(4_000_000);
        expect(Object.keys(await contents())).toHaveLength(100);
    });
});

describe("a damaged database (sqlite)", () => {
    test("what can be read is taken over, the rest kept aside", async () => {
        const store = await open("sqlite");
        const value = "x".repeat(500);
        await store.write(Array.from({ length: 500 }, (_, at) => put(`key/${String(at).padStart(4, "0")}`, value)));
        await store.close();
        const bytes = await readFile(path);
        bytes.fill(0x5a, 20 * 4096, 22 * 4096);
        await writeFile(path, bytes);
        await writeFile(`${path}-wal`, ""); // As after an unclean end: then every page is looked at.
        const found = Object.keys(await contents("sqlite"));
        expect(found.length).toBeGreaterThan(400);
        expect(found.length).toBeLessThan(500);
        expect((await readdir(folder)).some((name) => name.includes(".damaged-"))).toBe(true);
        expect(Object.keys(await contents("sqlite"))).toEqual(found);
    });

    test("a file that is no database is put aside", async () => {
        await writeFile(
            path,
            "this is a text file, and quite long enough to be taken for a database header or so".repeat(20),
        );
        expect(await contents("sqlite")).toEqual({});
        expect((await readdir(folder)).some((name) => name.includes(".damaged-"))).toBe(true);
    });
});

test("files and folders are the owner's alone", async () => {
    path = join(folder, "inner/store.db");
    for (const engine of ["nedb", "sqlite"] as const) {
        const file = `${path}.${engine}`;
        const store = await openStore({ engine, path: file }, ports());
        await store.write([put("a", 1)]);
        expect((await stat(file)).mode & 0o777).toBe(0o600);
        await store.close();
    }
    expect((await stat(join(folder, "inner"))).mode & 0o777).toBe(0o700);
});
