// SPDX-License-Identifier: Apache-2.0
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { freePorts } from "../support/free-ports.ts";
import { packageRoot, TestNodeRed } from "../support/node-red.ts";
import { describeWith, program } from "../support/requires.ts";

/** npm fetches some 250 packages, and the Modbus nodes. */
vi.setConfig({ hookTimeout: 600_000, testTimeout: 120_000 });

const MODBUS = "node-red-contrib-modbus";

const manifest = JSON.parse(readFileSync(join(packageRoot, "package.json"), "utf8")) as {
    name: string;
    devDependencies: Record<string, string>;
    peerDependencies: Record<string, string>;
    overrides: Record<string, string>;
    "node-red": { nodes: Record<string, string>; plugins: Record<string, string> };
};

interface FlowNode {
    readonly id: string;
    readonly type: string;
    readonly z?: string;
    readonly d?: boolean;
    readonly env?: readonly { readonly name: string }[];
}

let scratch: string;
/** User directories as the palette leaves them, the same for every Node-RED, so npm works once: with Redge alone, and with the Modbus nodes. */
let bare: string;
let withModbus: string;

beforeAll(() => {
    scratch = mkdtempSync(join(tmpdir(), "redge-palette-"));
    run(packageRoot, ["pack", "--ignore-scripts", "--pack-destination", scratch]);
    const [name] = readdirSync(scratch).filter((file) => file.endsWith(".tgz"));
    if (name === undefined) throw new Error("npm pack made no tarball");
    bare = join(scratch, "bare");
    mkdirSync(bare);
    writeFileSync(join(bare, "package.json"), JSON.stringify({ name: "node-red-project", private: true }));
    install(bare, join(scratch, name));
    withModbus = join(scratch, "with-modbus");
    copy(bare, withModbus);
    // One dependency of the Modbus nodes lies outside the npm registry; the package of the same name in it is what Redge builds on, too.
    const project = JSON.parse(readFileSync(join(withModbus, "package.json"), "utf8"));
    writeFileSync(join(withModbus, "package.json"), JSON.stringify({ ...project, overrides: manifest.overrides }));
    install(withModbus, `${MODBUS}@${manifest.devDependencies[MODBUS]}`);
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

function copy(from: string, to: string): void {
    cpSync(from, to, { recursive: true, verbatimSymlinks: true });
}

function install(folder: string, what: string): void {
    run(folder, [
        ...["install", "--no-audit", "--no-update-notifier", "--no-fund"],
        ...["--save", "--save-prefix=~", "--omit=dev", "--engine-strict", what],
    ]);
}

/** npm as the palette runs it: with the Node.js that Node-RED runs on. */
function run(folder: string, args: readonly string[]): void {
    const PATH = [dirname(process.execPath), process.env["PATH"]].join(delimiter);
    const done = spawnSync("npm", args, { cwd: folder, encoding: "utf8", env: { ...process.env, PATH } });
    if (done.status !== 0) throw new Error(`npm ${args[0]}: ${done.stderr}`);
}

const installed = (folder: string, name: string): string => join(folder, "node_modules", name);

/** The flow files that a user imports, by whether they need the Modbus nodes. */
function shipped(needModbus: boolean): string[] {
    return ["cloud-flows", "edge-flows"]
        .flatMap((folder) => readdirSync(join(packageRoot, folder)).map((file) => `${folder}/${file}`))
        .filter((file) => flow(packageRoot, file).some(({ type }) => type.startsWith("modbus-")) === needModbus);
}

function flow(folder: string, file: string): FlowNode[] {
    return JSON.parse(readFileSync(join(folder, file), "utf8"));
}

describeWith([program("npm")], "palette install of the packed package", () => {
    test("leaves out what development and optional features need, and says how large it is", () => {
        const leftOut = [...Object.keys(manifest.devDependencies), ...Object.keys(manifest.peerDependencies)];
        expect(leftOut).toContain("node-opcua-client");
        // Types may come with a library that needs them.
        expect(leftOut.filter((name) => !name.startsWith("@types/") && existsSync(installed(bare, name)))).toEqual([]);
        const packages = readdirSync(join(bare, "node_modules"), { recursive: true, withFileTypes: true });
        const own = packages.filter(({ name, parentPath }) => name === "package.json" && isPackage(parentPath)).length;
        const kib = Number(
            spawnSync("du", ["-sk", join(bare, "node_modules")], { encoding: "utf8" }).stdout.split("\t")[0],
        );
        console.log(`palette install: ${(kib / 1024).toFixed(1)} MiB on disk, ${own} packages`);
        expect(own).toBeGreaterThan(0);
    });

    describe.each(["node-red", "node-red-v4"])("into a bare user directory of %s", (nodeRed) => {
        const running: TestNodeRed[] = [];
        let red: TestNodeRed;
        let redWithModbus: TestNodeRed;

        async function start(from: string): Promise<TestNodeRed> {
            const userDir = `${from}-${nodeRed}`;
            copy(from, userDir);
            const nodesDir = mkdtempSync(join(scratch, "empty-"));
            const [boiler] = await freePorts(1);
            const env = {
                REDGE_NODE_NAME: "edge-1",
                REDGE_CLOUD_URL: "https://127.0.0.1:9",
                REDGE_CLOUDHUB_URL: "wss://127.0.0.1:9",
                REDGE_TUNNEL_URL: "wss://127.0.0.1:9",
                REDGE_CONTAINER_RUNTIME: "none",
                REDGE_BOILER_PORT: String(boiler),
            };
            const started = await TestNodeRed.start({ nodeRed, userDir, flows: [], settings: { nodesDir }, env });
            running.push(started);
            return started;
        }

        beforeAll(async () => {
            red = await start(bare);
            redWithModbus = await start(withModbus);
        });
        afterAll(async () => {
            for (const one of running) await one.stop();
        });

        /** Imports a file as it lies in the installed package; its simulator, if it is one, listens on a free port. */
        async function imported(into: TestNodeRed, file: string): Promise<FlowNode[]> {
            const [port] = await freePorts(1);
            const nodes = flow(installed(into.userDir, manifest.name), file).map((node) => ({
                ...node,
                ...(node.env && {
                    env: node.env.map((one) => (one.name.endsWith("_PORT") ? { ...one, value: `${port}` } : one)),
                }),
            }));
            into.statuses.clear();
            into.log.length = 0;
            await into.deploy(nodes);
            return nodes;
        }

        test("brings every node", async () => {
            const sets = (await red.json("/nodes")) as { module: string; name: string; err?: string; local: boolean }[];
            const ours = sets.filter(({ module }) => module === manifest.name);
            expect(ours.map(({ name }) => name).sort()).toEqual(Object.keys(manifest["node-red"].nodes).sort());
            expect(ours.filter(({ err }) => err !== undefined)).toEqual([]);
        });

        test.each(shipped(false))("runs %s with no missing type", (file) => runs(red, file));
        test.each(shipped(true))(`runs %s beside ${MODBUS} with no missing type`, (file) => runs(redWithModbus, file));

        async function runs(into: TestNodeRed, file: string): Promise<void> {
            const nodes = await imported(into, file);
            expect(into.missingTypes).toEqual([]);
            const told = nodes.filter(
                ({ type, z, d }) => type.startsWith("kubeedge-") && z !== undefined && d !== true,
            );
            for (const { id } of told) await into.untilStatus(id, ({ text }) => text !== undefined);
            // Alone, these need nobody else.
            for (const { id, type } of told) {
                if (ALONE.test(type)) await into.untilStatus(id, ({ fill }) => fill === "green");
            }
            expect(into.log.filter(({ level }) => level < ERROR)).toEqual([]);
        }

        test("offers its examples for import", async () => {
            expect(JSON.stringify(await red.json(`/library/examples/flows/${manifest.name}`))).toContain("edgehub");
        });
    });
});

/** Node-RED's level number for errors. */
const ERROR = 20;

const ALONE = /metamanager|devicetwin|eventbus|mapper|dmi|cloudhub|controller|cloudstream/;

/** A folder of node_modules that is a package: "node_modules/x" or "node_modules/@scope/x". */
function isPackage(folder: string): boolean {
    return /node_modules\/(@[^/]+\/)?[^/@]+$/.test(folder);
}
