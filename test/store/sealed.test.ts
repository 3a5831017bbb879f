// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from "node:crypto";
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../../src/core/clock.ts";
import { createLogger, type LogLevel } from "../../src/core/log.ts";
import { rotateKeyFile } from "../../src/store/key-ring.ts";
import { openStore, type StoreConfig } from "../../src/store/open-store.ts";
import { isSealed } from "../../src/store/seal.ts";
import { below, type DocumentStore } from "../../src/store/store.ts";
import { STORE_ID } from "../../src/store/store-id.ts";

const VALUE = "correct horse battery staple";
const SECRET = { data: { password: VALUE } };

describe.each(["nedb", "sqlite"] as const)("secret records (%s)", (engine) => {
    let folder: string;
    let path: string;
    let keyFile: string;
    let lines: { readonly level: LogLevel; readonly text: string }[];

    beforeEach(async () => {
        folder = await mkdtemp(join(tmpdir(), "redge-sealed-"));
        path = join(folder, "store.db");
        keyFile = join(folder, "identity", "store.key");
        lines = [];
    });
    afterEach(() => rm(folder, { recursive: true }));

    const open = (keys: Partial<StoreConfig> = {}): Promise<DocumentStore> =>
        openStore(
            { engine, path, ...keys },
            { clock: systemClock, log: createLogger((level, text) => lines.push({ level, text })) },
        );
    const put = (key: string, value: unknown, secret = true) => ({ op: "put" as const, key, value, secret });
    const newKey = (): string => randomBytes(32).toString("hex");
    /** Files that hold the text, as it is or as base64. */
    async function filesWith(text: string): Promise<string[]> {
        const wanted = [text, Buffer.from(text).toString("base64")];
        const found: string[] = [];
        for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
            if (!entry.isFile()) continue;
            const bytes = await readFile(join(entry.parentPath, entry.name));
            if (wanted.some((one) => bytes.includes(one))) found.push(entry.name);
        }
        return found;
    }

    test("read back as they were, and stand in no file, also while the store is open", async () => {
        const whole = await open();
        const store = below(whole, "meta/");
        await store.write([put("secret", SECRET), put("plain", { note: "seen" }, false)]);
        expect(await filesWith(VALUE)).toEqual([]);
        expect(await filesWith("seen")).not.toEqual([]);
        expect(await store.get("secret")).toEqual(SECRET);
        expect(await store.scan("")).toEqual([
            { key: "plain", value: { note: "seen" } },
            { key: "secret", value: SECRET, sealed: "open" },
        ]);
        expect((await stat(keyFile)).mode & 0o777).toBe(0o600);
        await whole.close();
    });

    test("need no key as long as there are none", async () => {
        const store = await open();
        await store.write([put("a", 1, false)]);
        await store.close();
        await expect(stat(keyFile)).rejects.toThrow("ENOENT");
    });

    test("keep the order of writes while the first key is being made", async () => {
        const store = await open();
        await Promise.all([
            store.write([put("a", 1)]),
            store.write([{ op: "delete", key: "a" }]),
            store.write([put("b", 2)]),
        ]);
        expect((await store.scan("")).map(({ key }) => key)).toEqual(["b"]);
        await store.close();
    });

    test("a new key in the file takes over: everything is sealed with it, the old one is gone", async () => {
        let store = await open();
        await store.write([put("a", SECRET), put("b", SECRET), put("c", "plain", false)]);
        await store.close();
        const old = (await readFile(keyFile, "utf8")).trim();
        expect(await rotateKeyFile(keyFile)).toBe(2);
        store = await open();
        expect(await store.get("a")).toEqual(SECRET);
        await store.close();
        const now = (await readFile(keyFile, "utf8")).trim().split("\n");
        expect(now).toHaveLength(1);
        expect(now[0]).not.toBe(old);
        store = await open();
        expect(await store.get("b")).toEqual(SECRET);
        expect(await filesWith(VALUE)).toEqual([]);
        await store.close();
    });

    test("a torn rotation loses nothing: as long as both keys are there both open", async () => {
        let store = await open();
        await store.write([put("a", SECRET)]);
        await store.close();
        const old = await readFile(keyFile, "utf8");
        await writeFile(keyFile, `${newKey()}\n${old}`);
        await chmod(keyFile, 0o644);
        store = await open();
        await store.close();
        expect((await stat(keyFile)).mode & 0o777).toBe(0o600);
        store = await open();
        expect(await store.get("a")).toEqual(SECRET);
        await store.close();
    });

    test("the operator's key replaces the file, and is replaced by naming the one before", async () => {
        let store = await open();
        await store.write([put("a", SECRET)]);
        await store.close();
        const [first, second] = [newKey(), randomBytes(32).toString("base64")];
        store = await open({ key: first });
        await store.close();
        await expect(stat(keyFile)).rejects.toThrow("ENOENT");
        store = await open({ key: second, previousKey: first });
        await store.close();
        store = await open({ key: second });
        expect(await store.get("a")).toEqual(SECRET);
        await store.close();
    });

    test("what no key opens comes back shut, is reported, and stops nothing", async () => {
        let store = await open({ key: newKey() });
        await store.write([put("a", SECRET)]);
        await store.close();
        store = await open({ key: newKey() });
        const [entry] = await store.scan("");
        expect(entry?.sealed).toBe("shut");
        expect(isSealed(entry?.value)).toBe(true);
        expect(lines.filter(({ level }) => level === "error").map(({ text }) => text)).toEqual([
            "1 secret records of the store cannot be opened with the key that is here",
        ]);
        await store.write([put("a", "new")]);
        expect(await store.get("a")).toBe("new");
        await store.close();
    });

    test("a record does not open under another's name", async () => {
        const store = await open();
        await store.write([put("a", SECRET), put("b", "other")]);
        await store.close();
        const raw = await openRaw();
        await raw.write([{ op: "put", key: "b", value: await raw.get("a") }]);
        await raw.close();
        const again = await open();
        expect((await again.scan("")).map(({ sealed }) => sealed)).toEqual(["open", "shut"]);
        await again.close();
    });

    test("a key file that holds none is put aside, and a new key made", async () => {
        let store = await open();
        await store.write([put("a", SECRET)]);
        await store.close();
        await writeFile(keyFile, "not a key\n");
        store = await open();
        expect((await store.scan(""))[0]?.sealed).toBe("shut");
        await store.write([put("a", SECRET)]);
        await store.close();
        expect((await readdir(join(folder, "identity"))).filter((name) => name.includes("damaged"))).toHaveLength(1);
    });

    test("an operator's key that is none is refused before anything is touched", async () => {
        await expect(open({ key: "hunter2" })).rejects.toMatchObject({ code: "REDGE_STORE_KEY" });
        const store = await open();
        await store.close();
    });

    test("purge leaves nothing in the file of what was replaced", async () => {
        const store = await open();
        await store.write([put("a", SECRET, false)]);
        expect(await filesWith(VALUE)).not.toEqual([]);
        await store.write([put("a", SECRET)]);
        await store.purge?.();
        expect(await filesWith(VALUE)).toEqual([]);
        await store.close();
    });

    async function openRaw(): Promise<DocumentStore> {
        const ports = { clock: systemClock, log: createLogger(() => {}) };
        return engine === "nedb"
            ? (await import("../../src/store/nedb-store.ts")).NedbStore.open(path, ports)
            : (await import("../../src/store/sqlite-store.ts")).SqliteStore.open(path, ports);
    }
});

test("damage takes the store's name away, so that the cloud sends everything again (nedb)", async () => {
    const folder = await mkdtemp(join(tmpdir(), "redge-lossy-"));
    const path = join(folder, "store.db");
    const ports = { clock: systemClock, log: createLogger(() => {}) };
    let store = await openStore({ engine: "nedb", path }, ports);
    await store.write([{ op: "put", key: STORE_ID, value: "one" }]);
    await store.write([{ op: "put", key: "a", value: "first" }]);
    await store.write([{ op: "put", key: "b", value: "second" }]);
    await store.close();
    const good = await readFile(path, "utf8");
    for (const [damaged, id] of [
        [good.replace('"v":"\\"first', '#v":"\\"first'), undefined], // in the middle
        [good.replace('"v":"\\"second', '#v":"\\"second'), undefined], // a whole last line: it was acknowledged
        [good.slice(0, -5), "one"], // a torn last line: it was not
    ] as const) {
        await writeFile(path, damaged);
        store = await openStore({ engine: "nedb", path }, ports);
        expect(await store.get(STORE_ID)).toBe(id);
        await store.close();
        await writeFile(path, good);
    }
    await rm(folder, { recursive: true });
});
