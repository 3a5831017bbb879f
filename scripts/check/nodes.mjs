// SPDX-License-Identifier: Apache-2.0
// What the built editor side of a node has to be: readable for the flow library, complete, and in step with the runtime side.
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import vm from "node:vm";

const require = createRequire(import.meta.url);
const SCRIPT = /<script type="text\/(javascript|html|markdown)"([^>]*)>\n([\s\S]*?)\n<\/script>/g;

/** Everything the other checks need to know of one node set. */
export function readNodeSet(root, name, path) {
    const file = join(root, path);
    const html = file.replace(/\.js$/, ".html");
    const scripts = existsSync(html) ? [...readFileSync(html, "utf8").matchAll(SCRIPT)] : [];
    const part = (kind) =>
        scripts.filter(([, type]) => type === kind).map(([, , attributes, body]) => ({ attributes, body }));
    const catalogue = (lang) => {
        const path = join(dirname(file), "locales", lang, `${basename(file, ".js")}.json`);
        return existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : undefined;
    };
    const code = part("javascript")[0]?.body ?? "";
    return {
        name,
        file,
        code,
        form: part("html")[0],
        help: part("markdown")[0],
        registered: registrations(code),
        runtime: existsSync(file) ? runtimeRegistrations(file) : [],
        english: catalogue("en-US") ?? {},
        german: catalogue("de"),
    };
}

/** @returns {string[]} what is wrong with a node set */
export function checkNodeSet(set) {
    const [definition] = set.registered;
    if (definition === undefined) return [`${set.name}: its HTML registers no node type`];
    const { type, def } = definition;
    const wrong = (text) => `${type}: ${text}`;
    const problems = [];
    const expect = (fine, text) => {
        if (!fine) problems.push(wrong(text));
    };
    expect(type === set.name && set.registered.length === 1, "a node set holds the one type of its name");
    expect(set.code.includes(`RED.nodes.registerType("${type}", {`), "registerType is not literal and inline");
    expect(set.runtime.length === 1 && set.runtime[0]?.type === type, "the runtime registers another type");
    expect(!String(def.category).includes("-"), `the category "${def.category}" has a hyphen`);
    expect(set.form?.attributes.includes(`data-template-name="${type}"`), "it has no form");
    expect(set.help?.attributes.includes(`data-help-name="${type}"`), "it has no help");
    const runtimeSecrets = JSON.stringify(sorted(set.runtime[0]?.credentials));
    expect(JSON.stringify(sorted(def.credentials)) === runtimeSecrets, "editor and runtime declare other credentials");
    problems.push(...[...checkForm(set, type, def), ...checkTexts(set, type), ...checkLooks(set, def)].map(wrong));
    return problems;
}

function checkForm(set, type, def) {
    const prefix = def.category === "config" ? "node-config-input-" : "node-input-";
    const form = set.form?.body ?? "";
    const fields = [...Object.keys(def.defaults), ...Object.keys(def.credentials ?? {})];
    const missing = fields.filter((field) => field !== "version" && !form.includes(`id="${prefix}${field}"`));
    const problems = missing.map((field) => `the form has no element for ${field}`);
    if (def.defaults.version?.value === undefined) problems.push("its configuration has no version");
    if ("icon" in def.defaults) problems.push("an icon among the defaults keeps users from choosing their own");
    for (const [field, { type: kind }] of Object.entries(def.credentials ?? {})) {
        if (kind === "text" && /token|key|password|secret/i.test(field)) problems.push(`${field} is a secret in clear`);
    }
    if (typeof def.label !== "function" || typeof labelOf(def, type) !== "string")
        problems.push("its label is no text");
    return problems;
}

function checkTexts(set, type) {
    const keys = [...(set.form?.body ?? "").matchAll(/data-i18n="([^"]+)"/g)]
        .flatMap(([, value]) => value.split(";"))
        .map((value) => value.replace(/^\[\w+\]/, ""))
        .filter((key) => !key.includes(":"));
    const problems = keys.filter((key) => lookUp(set.english, key) === undefined).map((key) => `no text for ${key}`);
    const status = Object.values(set.english[type]?.status ?? {});
    problems.push(
        ...status.filter((text) => plain(text).length > 44).map((text) => `the status "${text}" is too long`),
    );
    if (set.german !== undefined) {
        const translated = new Set(leaves(set.german));
        problems.push(
            ...leaves(set.english)
                .filter((key) => !translated.has(key))
                .map((key) => `no German text for ${key}`),
        );
    }
    return problems;
}

function checkLooks(set, def) {
    if (def.category === "config") return [];
    const problems = [];
    const help = set.help?.body ?? "";
    if (!/^#[0-9A-F]{6}$/i.test(def.color)) problems.push("its colour is not literal");
    if (!existsSync(join(dirname(set.file), "icons", def.icon))) problems.push(`the icon ${def.icon} is missing`);
    if (def.outputs > 1 && def.outputLabels === undefined) problems.push("several outputs without labels");
    if (def.inputs === 1 && !help.includes("### Inputs")) problems.push("its help does not describe the input");
    if (def.outputs > 0 && !help.includes("### Outputs")) problems.push("its help does not describe the outputs");
    return problems;
}

function registrations(code) {
    const found = [];
    const RED = { nodes: { registerType: (type, def) => found.push({ type, def }) }, validators: {} };
    vm.runInNewContext(code, { RED, $: () => ({}) });
    return found;
}

function runtimeRegistrations(file) {
    const found = [];
    const route = () => {};
    require(file).default({
        nodes: { registerType: (type, _make, options = {}) => found.push({ type, credentials: options.credentials }) },
        httpAdmin: { get: route, post: route },
        auth: { needsPermission: () => route },
        settings: {},
        events: { on: route },
    });
    return found;
}

const labelOf = (def, type) => def.label.call({ type, name: "", _: (key) => key });
const sorted = (record) => Object.entries(record ?? {}).sort(([left], [right]) => left.localeCompare(right));
const lookUp = (catalogue, key) => key.split(".").reduce((at, name) => at?.[name], catalogue);
/** The words of a status without what changes in it: those of the hubs have four figures to tell. */
const plain = (text) => text.replace(/__\w+__/g, "");
const leaves = (value, at = "") =>
    typeof value === "string" ? [at] : Object.entries(value).flatMap(([key, below]) => leaves(below, `${at}.${key}`));
