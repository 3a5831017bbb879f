// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { build } from "esbuild";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { systemClock } from "../../src/core/clock.ts";
import { isRedgeError } from "../../src/core/errors/redge-error.ts";
import { silentLogger } from "../../src/core/log.ts";
import { openStore } from "../../src/store/open-store.ts";
import type { DocumentStore } from "../../src/store/store.ts";
import { describeWith, type Part, program } from "../support/requires.ts";

const ports = { clock: systemClock, log: silentLogger };
const engines = ["nedb", "sqlite"] as const;
/** More rounds by hand: REDGE_TEST_ROUNDS=50 npx vitest run --project real test/store */
const rounds = Number(process.env["REDGE_TEST_ROUNDS"] ?? 8);
const root: Part = {
    name: "root",
    probe: () => (process.getuid?.() === 0 ? undefined : "mounting a file system needs root"),
};
const cache = resolve(import.meta.dirname, "../../node_modules/.cache/redge-run");
const writerFile = join(cache, `store-writer-${process.pid}.cjs`);
let folder: string;

beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "redge-faults-"));
    mkdirSync(cache, { recursive: true });
    await build({
        entryPoints: [join(import.meta.dirname, "writer.ts")],
        outfile: writerFile,
        bundle: true,
        platform: "node",
        format: "cjs",
        packages: "external",
        logLevel: "warning",
    });
});
afterAll(() => {
    rmSync(folder, { recursive: true });
    rmSync(writerFile, { force: true });
});

type Acknowledged = Map<string, number>;

/** Starts a writer and stops it with `signal` after so many acknowledged writes; answers the last number of each lane. */
async function writeUntil(
    engine: string,
    path: string,
    count: number,
    signal: "SIGKILL" | "SIGSTOP",
): Promise<{ readonly acknowledged: Acknowledged; readonly child: ChildProcess }> {
    const child = spawn(process.execPath, [writerFile, engine, path], { stdio: ["ignore", "pipe", "inherit"] });
    const acknowledged: Acknowledged = new Map();
    const lines = createInterface({ input: child.stdout });
    let left = count;
    const ended = signal === "SIGKILL" ? once(child, "exit") : undefined;
    for await (const line of lines) {
        const [lane = "", number = ""] = line.split(" ");
        acknowledged.set(lane, Number(number));
        left -= 1;
        if (left === 0) child.kill(signal);
        // Stopped, it tells nothing more; what is in the pipe still counts.
        if (left <= 0 && signal === "SIGSTOP" && child.stdout.readableLength === 0) break;
    }
    await ended;
    return { acknowledged, child };
}

/** Nothing acknowledged is missing, and every batch is there whole. */
async function verify(store: DocumentStore, acknowledged: Acknowledged): Promise<void> {
    const lanes = await store.scan<{ number: number; pad: string }>("lane/");
    expect(lanes.length).toBeGreaterThanOrEqual(acknowledged.size);
    for (const { key, value } of lanes) {
        const lane = key.slice("lane/".length);
        expect(value.number, `lane ${lane}`).toBeGreaterThanOrEqual(acknowledged.get(lane) ?? 0);
        const copies = await store.scan<number>(`copy/${lane}/`);
        expect(copies).toEqual([{ key: `copy/${lane}/${value.number % 2}`, value: value.number }]);
    }
}

describe.each(engines)("kill -9 of a writer: %s", (engine) => {
    test(`${rounds} times, and nothing acknowledged is lost`, async () => {
        const path = join(folder, `killed.${engine}`);
        for (let round = 0; round < rounds; round += 1) {
            const { acknowledged } = await writeUntil(engine, path, 50 + Math.floor(Math.random() * 1_500), "SIGKILL");
            const store = await openStore({ engine, path }, ports); // The dead writer's lock is taken over.
            await verify(store, acknowledged);
            await store.close();
        }
    });
});

describeWith([root, program("mount")], "a full disk", () => {
    let mounted: string;
    beforeAll(() => {
        mounted = join(folder, "small");
        mkdirSync(mounted);
        execFileSync("mount", ["-t", "tmpfs", "-o", "size=4m", "tmpfs", mounted]);
    });
    afterAll(() => {
        execFileSync("umount", [mounted]);
    });

    test.each(engines)(
        "%s: refused writes leave nothing, the next one after there is space again is kept",
        async (engine) => {
            const path = join(mounted, `full.${engine}`);
            const filler = join(mounted, "filler");
            writeFileSync(filler, Buffer.alloc(2 * 1024 * 1024));
            let store = await openStore({ engine, path }, ports);
            const kept: string[] = [];
            let refused = 0;
            for (let at = 0; refused < 20; at += 1) {
                const key = `key/${String(at).padStart(5, "0")}`;
                const value = "x".repeat(at % 3 === 0 ? 40_000 : 3_000);
                try {
                    await store.write([
                        { op: "put", key, value },
                        { op: "put", key: `${key}/twin`, value: at },
                    ]);
                    kept.push(key, `${key}/twin`);
                } catch (error) {
                    expect(isRedgeError(error, "REDGE_STORE_FULL"), String(error)).toBe(true);
                    refused += 1;
                }
            }
            const keys = async () => (await store.scan("")).map((entry) => entry.key);
            expect(kept.length).toBeGreaterThan(20);
            expect(await keys()).toEqual(kept);
            rmSync(filler);
            await store.write([{ op: "put", key: "later", value: 1 }]);
            kept.push("later");
            await store.close();
            store = await openStore({ engine, path }, ports);
            expect(await keys()).toEqual(kept);
            await store.close();
            for (const suffix of ["", "-wal", "-shm"]) rmSync(path + suffix, { force: true });
        },
    );
});

describeWith([root, program("mount"), program("mkfs.ext4", "/sbin/mkfs.ext4")], "a power cut", () => {
    const cuts = Math.max(3, Math.floor(rounds / 3));

    test.each(engines)(`%s: ${cuts} times, and nothing acknowledged is lost`, async (engine) => {
        const disk = join(folder, `disk.${engine}`);
        const cutDisk = `${disk}.cut`;
        const mounted = join(folder, `mnt.${engine}`);
        mkdirSync(mounted);
        execFileSync("truncate", ["-s", "96M", disk]);
        execFileSync("mkfs.ext4", ["-q", "-F", disk]);
        for (let round = 0; round < cuts; round += 1) {
            execFileSync("mount", ["-o", "loop", disk, mounted]);
            const path = join(mounted, "store.db");
            const count = 200 + Math.floor(Math.random() * 2_000);
            const { acknowledged, child } = await writeUntil(engine, path, count, "SIGSTOP");
            // What the kernel has given to the disk by now: the rest would be lost with the power.
            execFileSync("cp", ["--sparse=always", disk, cutDisk]);
            const ended = once(child, "exit");
            child.kill("SIGKILL");
            await ended;
            execFileSync("umount", [mounted]);
            execFileSync("mount", ["-o", "loop", cutDisk, mounted]); // Replays the journal, as the next boot would.
            try {
                const store = await openStore({ engine, path }, ports);
                await verify(store, acknowledged);
                await store.close();
            } finally {
                execFileSync("umount", ["--lazy", mounted]); // A store that failed the test may still be open.
            }
            execFileSync("mv", [cutDisk, disk]);
        }
    });
});
