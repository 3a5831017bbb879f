// SPDX-License-Identifier: Apache-2.0
// Writes docs/errors.md from the error catalogue. `--check` fails when the page is not what the catalogue says.
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";

const root = resolve(import.meta.dirname, "..");
const { catalogue } = createRequire(import.meta.url)(join(root, "dist/src/core/errors/catalogue.js"));

const page = [
    "# Errors",
    "",
    "Every error that Redge reports has a code. This page is made from the catalogue in `src/core/errors` by",
    "`npm run docs`; words in braces are filled in when the error is reported.",
    "",
    ...Object.entries(catalogue)
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .flatMap(([code, { message, cause, remedy }]) => [
            `## ${code}`,
            "",
            `${message}.`,
            "",
            `* Cause: ${cause}`,
            `* Remedy: ${remedy}`,
            "",
        ]),
].join("\n");

const path = join(root, "docs/errors.md");
if (process.argv.includes("--check")) {
    if (readFileSync(path, "utf8") === page) process.exit(0);
    process.stderr.write("docs/errors.md is not what the catalogue says: run `npm run docs`\n");
    process.exit(1);
}
writeFileSync(path, page);
