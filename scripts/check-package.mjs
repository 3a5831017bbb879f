// SPDX-License-Identifier: Apache-2.0
// Checks the built package as the flow library, the palette and an importer of its flows will see it.
// Needs dist/ (npm run build). Prints what is wrong, one line each, and ends with 1 if anything is.
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { checkFlow, coreTypes } from "./check/flows.mjs";
import { checkNodeSet, readNodeSet } from "./check/nodes.mjs";

const MAY_BE_PACKED = [
    /^(package\.json|README\.md|CHANGELOG\.md|LICENSE)$/,
    /^dist\/(src|nodes|plugins|cli)\/.+\.(js|js\.map|html|json|svg|proto|yaml|mjs)$/,
    /^(cloud-flows|edge-flows|examples)\/.+\.(json|yaml|md)$/,
    /^examples\/simulators\/.+\.py$/,
    /^settings\/.+\.js$/,
    /^deploy\/.+\.(yaml|yml|md|json|conflist)$/,
    /^docs\/.+\.(md|png|svg)$/,
    /^resources\/.+$/,
];

/** @returns {string[]} everything that is wrong with the package in `root` */
export function checkPackage(root) {
    const manifest = readJson(join(root, "package.json"));
    const sets = Object.entries(manifest["node-red"].nodes).map(([name, path]) => readNodeSet(root, name, path));
    return [
        ...checkManifest(manifest),
        ...checkDeclared(root, manifest),
        ...sets.flatMap(checkNodeSet),
        ...checkFlows(root, manifest, sets),
        ...checkPacked(root),
    ];
}

function checkManifest(manifest) {
    const problems = [];
    const expect = (fine, text) => {
        if (!fine) problems.push(`package.json: ${text}`);
    };
    expect(/^@[\w-]+\/[\w-]+$/.test(manifest.name), "the name is not scoped");
    expect(Boolean(manifest.license), "no license");
    expect(Boolean(manifest.repository ?? manifest.bugs), "neither repository nor bugs");
    expect(manifest.keywords?.includes("node-red"), 'no keyword "node-red"');
    expect(Boolean(manifest["node-red"]?.version), "no node-red.version");
    const [, from] = /^>=\s*(\d+)/.exec(manifest.engines?.node ?? "") ?? [];
    expect(Number(from) <= 22, "engines.node does not accept Node.js 22.9, from which Node-RED 5 runs");
    const production = { ...manifest.dependencies, ...manifest.optionalDependencies };
    for (const [name, range] of Object.entries(production)) {
        expect(!/^(https?:|git|file:|github:)|\//.test(range), `${name} is not taken from the registry: ${range}`);
        expect(!/^node-red/.test(name), `${name} must not be a production dependency`);
    }
    return problems;
}

/** Every node and plugin in the sources is declared, and what is declared is built. */
function checkDeclared(root, manifest) {
    const declared = { ...manifest["node-red"].nodes, ...manifest["node-red"].plugins };
    const paths = new Set(Object.values(declared));
    const sources = ["nodes", "plugins"].flatMap((folder) =>
        readdirSync(join(root, folder), { recursive: true })
            .filter((name) => name.endsWith(".editor.ts"))
            .map((name) => `dist/${folder}/${name.replace(/\.editor\.ts$/, ".js")}`),
    );
    return [
        ...sources.filter((path) => !paths.has(path)).map((path) => `package.json: ${path} is not declared`),
        ...[...paths].filter((path) => !existsSync(join(root, path))).map((path) => `${path} is not built`),
    ];
}

function checkFlows(root, manifest, sets) {
    const own = sets.map(({ name }) => name);
    const known = new Set([...coreTypes(root), ...own]);
    const files = ["cloud-flows", "edge-flows", "examples"].flatMap((folder) => flowFiles(root, folder));
    const flows = files.map((name) => ({ name, nodes: readJson(join(root, name)) }));
    const links = new Set(
        flows.flatMap(({ nodes }) => nodes.filter(({ type }) => type.startsWith("link ")).map(({ id }) => id)),
    );
    const problems = flows.flatMap(({ name, nodes }) => checkFlow(name, nodes, known, links));
    const exampled = new Set(
        flows.filter(({ name }) => name.startsWith("examples/")).flatMap(({ nodes }) => nodes.map(({ type }) => type)),
    );
    for (const { name, registered } of sets) {
        const isConfig = registered[0]?.def.category === "config";
        if (!isConfig && !exampled.has(name)) problems.push(`${name}: no example shows it`);
    }
    for (const { name, nodes } of flows) {
        const wanted = nodes.find(({ type }) => type === "global-config")?.modules?.[manifest.name];
        const used = nodes.some(({ type }) => own.includes(type));
        if (used && wanted !== manifest.version)
            problems.push(`${name}: does not name ${manifest.name} ${manifest.version}`);
    }
    return problems;
}

function flowFiles(root, folder) {
    if (!existsSync(join(root, folder))) return [];
    return readdirSync(join(root, folder), { recursive: true })
        .filter((name) => name.endsWith(".json"))
        .map((name) => `${folder}/${name}`);
}

function checkPacked(root) {
    const packed = spawnSync("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], {
        cwd: root,
        encoding: "utf8",
    });
    if (packed.status !== 0) return [`npm pack: ${packed.stderr.trim()}`];
    const answer = JSON.parse(packed.stdout);
    const [{ files }] = Array.isArray(answer) ? answer : Object.values(answer);
    return files
        .filter(({ path }) => !MAY_BE_PACKED.some((pattern) => pattern.test(path)))
        .map(({ path }) => `npm pack: ${path} should not be in the package`);
}

function readJson(path) {
    return JSON.parse(readFileSync(path, "utf8"));
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
    const problems = checkPackage(resolve(import.meta.dirname, ".."));
    for (const problem of problems) console.error(problem);
    process.exitCode = problems.length === 0 ? 0 : 1;
}
