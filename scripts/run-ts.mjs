// SPDX-License-Identifier: Apache-2.0
// Runs one TypeScript file of bench/ or test/support without a build: `node scripts/run-ts.mjs bench/memory.ts [arguments]`.
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { build } from "esbuild";

const root = resolve(import.meta.dirname, "..");
const [file, ...args] = process.argv.slice(2);
if (file === undefined) {
    process.stderr.write("usage: node scripts/run-ts.mjs FILE.ts [arguments]\n");
    process.exit(2);
}
/** Sources that look for files from where they lie keep doing so in the bundle. */
const keepPlaces = {
    name: "keep-places",
    setup(builder) {
        builder.onLoad({ filter: /\.ts$/ }, ({ path }) => ({
            contents: readFileSync(path, "utf8").replace(
                /\bimport\.meta\.dirname\b|\b__dirname\b/g,
                JSON.stringify(dirname(path)),
            ),
            loader: "ts",
        }));
    },
};
const folder = join(root, "node_modules/.cache/redge-run");
mkdirSync(folder, { recursive: true });
const outfile = join(folder, `${basename(file, ".ts")}-${process.pid}.mjs`);
await build({
    entryPoints: [resolve(file)],
    outfile,
    bundle: true,
    platform: "node",
    format: "esm",
    packages: "external",
    sourcemap: "inline",
    plugins: [keepPlaces],
    logLevel: "warning",
});
const { status } = spawnSync(process.execPath, ["--enable-source-maps", outfile, ...args], {
    stdio: "inherit",
    cwd: root,
});
rmSync(outfile, { force: true });
process.exit(status ?? 1);
