// SPDX-License-Identifier: Apache-2.0
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { catalogue } from "../src/core/errors/catalogue.ts";

const root = resolve(import.meta.dirname, "..");
const pages = [
    "README.md",
    "CHANGELOG.md",
    ...readdirSync(join(root, "docs"))
        .filter((n) => n.endsWith(".md"))
        .map((n) => `docs/${n}`),
];

describe("documentation", () => {
    test.each(pages)("%s links only to files that exist", (page) => {
        const text = readFileSync(join(root, page), "utf8");
        const targets = [...text.matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)/g)].map(([, target]) => target ?? "");
        const missing = targets.filter((target) => !existsSync(join(root, dirname(page), target)));
        expect(missing).toEqual([]);
    });

    test("every variable that the command and the flows read is in docs/configuration.md", () => {
        const configuration = readFileSync(join(root, "docs/configuration.md"), "utf8");
        const sources = ["cli", "settings", "cloud-flows", "edge-flows"].flatMap((folder) =>
            readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
                .filter((entry) => entry.isFile())
                .map((entry) => readFileSync(join(entry.parentPath, entry.name), "utf8")),
        );
        const used = new Set(
            sources
                .flatMap((text) => text.match(/\bREDGE_[A-Z_]*[A-Z]\b/g) ?? [])
                .filter((name) => !(name in catalogue)),
        );
        const internal = [
            "REDGE_USER_DIR",
            "REDGE_EDITOR_PORT",
            "REDGE_KUBECONFIG",
            "REDGE_PALETTE_CATALOGUE",
            "REDGE_HOME",
        ];
        const missing = [...used].filter((name) => !configuration.includes(name) && !internal.includes(name));
        expect(missing).toEqual([]);
    });
});
