// SPDX-License-Identifier: Apache-2.0
// `npm run bench:store [-- documents]`: both engines, documents of 1 KB, in a folder of the system's temporary files.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../src/core/clock.ts";
import { silentLogger } from "../../src/core/log.ts";
import { openStore, type StoreConfig } from "../../src/store/open-store.ts";

type Engine = StoreConfig["engine"];
const ports = { clock: systemClock, log: silentLogger };
const VALUE = "x".repeat(1_000);
const BATCH = 500;
const MB = 1024 * 1024;

function perSecond(count: number, startedMs: number): string {
    return `${Math.round((count * 1_000) / (performance.now() - startedMs)).toLocaleString("en")}/s`;
}

async function work(engine: Engine, path: string, documents: number): Promise<Record<string, string>> {
    const store = await openStore({ engine, path }, ports);
    const key = (at: number): string => `device/${String((at * 7_919) % documents).padStart(7, "0")}`;
    const result: Record<string, string> = {};
    let startedMs = performance.now();
    for (let at = 0; at < documents; at += BATCH) {
        const writes = Array.from({ length: BATCH }, (_, n) =>
            store.write([{ op: "put", key: key(at + n), value: { at, VALUE } }]),
        );
        await Promise.all(writes);
    }
    result["writes, 500 at once"] = perSecond(documents, startedMs);
    startedMs = performance.now();
    for (let at = 0; at < 2_000; at += 1) await store.write([{ op: "put", key: key(at), value: { at, VALUE } }]);
    result["writes, one by one"] = perSecond(2_000, startedMs);
    startedMs = performance.now();
    for (let at = 0; at < 20_000; at += 1) await store.get(key(at));
    result["reads"] = perSecond(20_000, startedMs);
    startedMs = performance.now();
    for (let at = 0; at < 1_000; at += 1) await store.scan("device/", { after: key(at), limit: 10 });
    result["ten of a prefix"] = perSecond(1_000, startedMs);
    startedMs = performance.now();
    await store.scan("device/");
    result["all of a prefix"] = `${Math.round(performance.now() - startedMs)} ms`;
    await store.close();
    return result;
}

async function opening(engine: Engine, path: string): Promise<Record<string, string>> {
    const before = process.memoryUsage();
    const startedMs = performance.now();
    const store = await openStore({ engine, path }, ports);
    const tookMs = performance.now() - startedMs;
    global.gc?.();
    const after = process.memoryUsage();
    await store.close();
    return {
        opening: `${Math.round(tookMs)} ms`,
        "heap held": `${((after.heapUsed - before.heapUsed) / MB).toFixed(1)} MB`,
        "resident after opening": `+${((after.rss - before.rss) / MB).toFixed(0)} MB`,
    };
}

async function main(): Promise<void> {
    const [first = "50000", engine, path] = process.argv.slice(2);
    if (engine !== undefined && path !== undefined) {
        process.stdout.write(JSON.stringify(await opening(engine as Engine, path)));
        return;
    }
    const folder = mkdtempSync(join(tmpdir(), "redge-bench-store-"));
    try {
        const table: Record<string, Record<string, string>> = {};
        for (const each of ["nedb", "sqlite"] as const) {
            const file = join(folder, each);
            const measured = await work(each, file, Number(first));
            // Opening is measured in a process that has done nothing else.
            const args = ["--expose-gc", process.argv[1] ?? "", first, each, file];
            const opened = spawnSync(process.execPath, args, {
                encoding: "utf8",
                stdio: ["ignore", "pipe", "inherit"],
            });
            table[each] = { ...measured, ...(JSON.parse(opened.stdout) as Record<string, string>) };
        }
        console.log(`${first} documents of 1 KB, Node.js ${process.version}`);
        const rows = Object.keys(table["nedb"] ?? {});
        console.table(
            Object.fromEntries(
                rows.map((row) => [row, { nedb: table["nedb"]?.[row], sqlite: table["sqlite"]?.[row] }]),
            ),
        );
    } finally {
        rmSync(folder, { recursive: true });
    }
}

main().catch((error: unknown) => {
    console.error(error);
    process.exitCode = 1;
});
