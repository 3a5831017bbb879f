// SPDX-License-Identifier: Apache-2.0
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { text } from "node:stream/consumers";
import { build } from "esbuild";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
    CLOUD_NODE_FLAGS,
    environmentForManyConnections,
    MALLOC_FOR_MANY_CONNECTIONS,
} from "../../cli/host/cloud-heap.ts";

const NAME = "MALLOC_MMAP_THRESHOLD_";

test("there is an environment to start again in on Linux alone, and only while nobody has chosen", () => {
    expect(environmentForManyConnections({ A: "1" }, "linux")).toEqual({ A: "1", ...MALLOC_FOR_MANY_CONNECTIONS });
    expect(environmentForManyConnections({ [NAME]: "131072" }, "linux")).toBeUndefined();
    expect(environmentForManyConnections({}, "darwin")).toBeUndefined();
});

describe.runIf(process.platform === "linux" && process.execve !== undefined)(
    "a process that starts for many connections",
    () => {
        let folder: string;
        let script: string;
        beforeEach(async () => {
            folder = mkdtempSync(join(tmpdir(), "redge-malloc-"));
            script = join(folder, "start.mjs");
            const contents =
                `import { startForManyConnections } from ${JSON.stringify(resolve("cli/host/cloud-heap.ts"))};` +
                `startForManyConnections();` +
                `process.stdout.write(JSON.stringify([process.pid, process.env.${NAME}, ...process.execArgv, ...process.argv.slice(2)]));` +
                `process.exit(3);`;
            const { outputFiles } = await build({
                stdin: { contents, resolveDir: resolve(".") },
                bundle: true,
                platform: "node",
                format: "esm",
                write: false,
            });
            writeFileSync(script, outputFiles[0]?.text ?? "");
        });
        afterEach(() => rmSync(folder, { recursive: true, force: true }));

        test("is the same process with the same arguments, output and exit code, and both heaps told", async () => {
            const { [NAME]: _, ...env } = process.env;
            const child = spawn(process.execPath, [script, "cloud", "--host", "0.0.0.0"], { env });
            const [said, warned, [code]] = await Promise.all([
                text(child.stdout),
                text(child.stderr),
                once(child, "exit") as Promise<[number]>,
            ]);
            expect(warned).toBe("");
            expect(code).toBe(3);
            expect(JSON.parse(said)).toEqual([child.pid, "65536", ...CLOUD_NODE_FLAGS, "cloud", "--host", "0.0.0.0"]);
        });
    },
);
