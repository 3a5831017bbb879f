// SPDX-License-Identifier: Apache-2.0
// The editor side of every node and plugin, made from what lies beside its runtime file X.ts:
//   X.editor.ts          → <script>, bundled by esbuild; not minified, so that the flow library can read registerType
//   X.html               → the form (X.editor.ts registers exactly one type, the folder's)
//   help.md              → help; help.<lang>.md → locales/<lang>/X.html
//   locales/<lang>.json  → locales/<lang>/X.json, below the type's own name, with the texts that all nodes share
//   icons/*              → icons/
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { build } from "esbuild";

const TYPE = /RED\.(?:nodes\.registerType|plugins\.registerPlugin)\(\s*["']([^"']+)["']/;

/** Writes the .html twin, catalogues and icons of every `*.editor.ts` below nodes/ and plugins/ to dist/. */
export async function assembleEditors(root) {
    const entries = ["nodes", "plugins"].flatMap((folder) => editorsBelow(join(root, folder)));
    await Promise.all(entries.map((entry) => assemble(root, entry)));
}

function editorsBelow(folder) {
    return readdirSync(folder, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile() && entry.name.endsWith(".editor.ts"))
        .map((entry) => join(entry.parentPath, entry.name));
}

async function assemble(root, entry) {
    const source = dirname(entry);
    const target = join(root, "dist", relative(root, source));
    const name = basename(entry, ".editor.ts");
    const script = await bundle(entry);
    const type = TYPE.exec(script)?.[1];
    if (type === undefined) throw new Error(`${relative(root, entry)} registers neither a node type nor a plugin`);

    const parts = [tag("text/javascript", "", script)];
    const form = join(source, `${name}.html`);
    if (existsSync(form)) parts.push(tag("text/html", ` data-template-name="${type}"`, read(form)));
    const help = join(source, "help.md");
    if (existsSync(help)) parts.push(tag("text/markdown", ` data-help-name="${type}"`, read(help)));
    mkdirSync(target, { recursive: true });
    writeFileSync(join(target, `${name}.html`), `${parts.join("\n")}\n`);

    writeCatalogues(join(root, "nodes/shell/locales"), source, target, name, type);
    const icons = join(source, "icons");
    if (existsSync(icons)) cpSync(icons, join(target, "icons"), { recursive: true });
}

async function bundle(entry) {
    const { outputFiles } = await build({
        // By stdin: as a file it would count as CommonJS, by package.json, and be wrapped out of the parsers' sight.
        stdin: { contents: read(entry), sourcefile: entry, resolveDir: dirname(entry), loader: "ts" },
        bundle: true,
        write: false,
        format: "iife",
        target: "es2020",
        charset: "utf8",
        legalComments: "none",
    });
    const [file] = outputFiles;
    if (file === undefined) throw new Error(`esbuild wrote nothing for ${entry}`);
    return file.text;
}

function writeCatalogues(sharedFolder, source, target, name, type) {
    const folder = join(source, "locales");
    if (!existsSync(folder)) return;
    const isNode = existsSync(join(source, "help.md"));
    for (const file of readdirSync(folder).filter((entry) => entry.endsWith(".json"))) {
        const lang = basename(file, ".json");
        const shared = join(sharedFolder, file);
        const texts = merge(
            isNode && existsSync(shared) ? JSON.parse(read(shared)) : {},
            JSON.parse(read(join(folder, file))),
        );
        const out = join(target, "locales", lang);
        mkdirSync(out, { recursive: true });
        writeFileSync(join(out, `${name}.json`), `${JSON.stringify({ [type]: texts }, null, 4)}\n`);
        const help = join(source, `help.${lang}.md`);
        if (existsSync(help)) {
            const text = tag("text/markdown", ` data-help-name="${type}"`, read(help));
            writeFileSync(join(out, `${name}.html`), `${text}\n`);
        }
    }
}

function merge(base, over) {
    const merged = { ...base };
    for (const [key, value] of Object.entries(over)) {
        const below = merged[key];
        merged[key] = isRecord(below) && isRecord(value) ? merge(below, value) : value;
    }
    return merged;
}

const isRecord = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
const read = (path) => readFileSync(path, "utf8").trim();
const tag = (type, attributes, body) => `<script type="${type}"${attributes}>\n${body}\n</script>`;
