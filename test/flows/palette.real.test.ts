// SPDX-License-Identifier: Apache-2.0
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { packageRoot, TestNodeRed } from "../support/node-red.ts";
import { describeWith, program } from "../support/requires.ts";

/** npm fetches some sixty packages. */
vi.setConfig({ hookTimeout: 300_000 });

const manifest = JSON.parse(readFileSync(join(packageRoot, "package.json"), "utf8")) as {
    name: string;
    "node-red": { nodes: Record<string, string>; plugins: Record<string, string> };
};

let scratch: string;
/** A user directory as the palette leaves it: the same for every Node-RED, so npm works once. */
let installed: string;

beforeAll(() => {
    scratch = mkdtempSync(join(tmpdir(), "redge-palette-"));
    run(packageRoot, ["pack", "--ignore-scripts", "--pack-destination", scratch]);
    const [name] = readdirSync(scratch).filter((file) => file.endsWith(".tgz"));
    if (name === undefined) throw new Error("npm pack made no tarball");
    installed = join(scratch, "installed");
    mkdirSync(installed);
    writeFileSync(join(installed, "package.json"), JSON.stringify({ name: "node-red-project", private: true }));
    run(installed, [
        ...["install", "--no-audit", "--no-update-notifier", "--no-fund"],
        ...["--save", "--save-prefix=~", "--omit=dev", "--engine-strict", join(scratch, name)],
    ]);
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** npm as the palette runs it: with the Node.js that Node-RED runs on. */
function run(folder: string, args: readonly string[]): void {
    const PATH = [dirname(process.execPath), process.env["PATH"]].join(delimiter);
    const done = spawnSync("npm", args, { cwd: folder, encoding: "utf8", env: { ...process.env, PATH } });
    if (done.status !== 0) throw new Error(`npm ${args[0]}: ${done.stderr}`);
}

describeWith([program("npm")], "palette install of the packed package", () => {
    describe.each(["node-red", "node-red-v4"])("into a bare user directory of %s", (nodeRed) => {
        let userDir: string;
        let red: TestNodeRed;

        beforeAll(async () => {
            userDir = join(scratch, nodeRed);
            cpSync(installed, userDir, { recursive: true, verbatimSymlinks: true });
            const nodesDir = mkdtempSync(join(scratch, "empty-"));
            const flows = JSON.parse(
                readFileSync(join(userDir, "node_modules", manifest.name, "edge-flows/edge.json"), "utf8"),
            );
            const env = {
                REDGE_CLOUD_URL: "https://127.0.0.1:9",
                REDGE_CLOUDHUB_URL: "wss://127.0.0.1:9",
                REDGE_MQTT_PORT: "0",
            };
            red = await TestNodeRed.start({ nodeRed, userDir, flows, settings: { nodesDir }, env });
        });
        afterAll(() => red?.stop());

        test("brings every node, without the packages of development", async () => {
            const sets = (await red.json("/nodes")) as { module: string; name: string; err?: string; local: boolean }[];
            const ours = sets.filter(({ module }) => module === manifest.name);
            expect(ours.map(({ name }) => name).sort()).toEqual(Object.keys(manifest["node-red"].nodes).sort());
            expect(ours.filter(({ err }) => err !== undefined)).toEqual([]);
            expect(existsSync(join(userDir, "node_modules/node-red"))).toBe(false);
            expect(existsSync(join(userDir, "node_modules/node-red-contrib-modbus"))).toBe(false);
        });

        test("runs edge-flows/edge.json with no missing type", async () => {
            expect(red.missingTypes).toEqual([]);
            await red.untilStatus("redge-edge-metamanager", ({ fill }) => fill === "green");
            await red.untilStatus("redge-edge-eventbus", ({ fill }) => fill === "green");
        });

        test("offers its examples for import", async () => {
            expect(JSON.stringify(await red.json(`/library/examples/flows/${manifest.name}`))).toContain("edgehub");
        });
    });
});
