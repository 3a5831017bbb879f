// SPDX-License-Identifier: Apache-2.0
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { describe, expect, test } from "vitest";

const root = resolve(import.meta.dirname, "..");

function filesBelow(folder: string): string[] {
    return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile() && entry.name.endsWith(".ts"))
        .map((entry) => join(entry.parentPath, entry.name));
}

interface Import {
    readonly from: string;
    readonly to: string;
}

/** Every static and dynamic import and re-export, as path relative to the root or bare package name. */
function importsOf(path: string): Import[] {
    const text = readFileSync(path, "utf8");
    const found = text.matchAll(/(?:\bfrom\s+|\bimport\s*\(\s*|\bimport\s+|\brequire\s*\(\s*)["']([^"'\n]+)["']/g);
    return [...found].map(([, specifier]) => ({
        from: relative(root, path),
        to: specifier?.startsWith(".") ? relative(root, resolve(dirname(path), specifier)) : (specifier ?? ""),
    }));
}

const below = (folder: string) => filesBelow(folder).flatMap(importsOf);
const offending = (imports: Import[], forbidden: (i: Import) => boolean): string[] =>
    imports.filter(forbidden).map((i) => `${i.from} imports ${i.to}`);

describe("import rules (docs/architecture.md)", () => {
    test("src names nothing of Node-RED and nothing above it", () => {
        const forbidden = (i: Import) =>
            /^(node-red|@node-red|@types\/node-red)/.test(i.to) || /^(nodes|plugins|cli|test)\//.test(i.to);
        expect(offending(below("src"), forbidden)).toEqual([]);
    });

    test("src/cloud and src/edge never import each other", () => {
        expect(offending(below("src/cloud"), (i) => i.to.startsWith("src/edge/"))).toEqual([]);
        expect(offending(below("src/edge"), (i) => i.to.startsWith("src/cloud/"))).toEqual([]);
    });

    test("the shared floor imports neither cloud nor edge", () => {
        for (const floor of ["core", "envelope", "kube", "link", "store"]) {
            expect(offending(below(`src/${floor}`), (i) => /^src\/(cloud|edge)\//.test(i.to))).toEqual([]);
        }
    });

    test("core and envelope stand on nothing but each other", () => {
        const forbidden = (i: Import) => i.to.startsWith("src/") && !/^src\/(core|envelope)\//.test(i.to);
        expect(offending([...below("src/core"), ...below("src/envelope")], forbidden)).toEqual([]);
    });

    test("a node imports from src and nodes only", () => {
        const forbidden = (i: Import) => /^(cli|plugins|test|scripts)\//.test(i.to);
        expect(offending(below("nodes"), forbidden)).toEqual([]);
    });
});
