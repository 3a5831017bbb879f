// SPDX-License-Identifier: Apache-2.0
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { chromiumPart, Editor } from "../support/editor.ts";
import { packageRoot, TestNodeRed } from "../support/node-red.ts";
import { describeWith } from "../support/requires.ts";

interface FlowNode {
    readonly id: string;
    readonly type: string;
    readonly x?: number;
}

const flow = (name: string): FlowNode[] => JSON.parse(readFileSync(join(packageRoot, name), "utf8"));
const examples = readdirSync(join(packageRoot, "examples")).filter((name) => name.endsWith(".json"));
const shipped = [...flow("cloud-flows/cloud.json"), ...flow("edge-flows/edge.json")];
const shown = new Set(shipped.map(({ type }) => type));
/** Examples of the nodes that the flows above do not have. */
const others = examples
    .map((name) => flow(`examples/${name}`))
    .filter((example) => example.some(({ type }) => type.startsWith("kubeedge-") && !shown.has(type)));
const nodes = [...others.flat(), ...shipped];
const unique = [...new Map(nodes.map((node) => [node.id, node])).values()];
const ours = [...new Map(unique.filter(({ type }) => type.startsWith("kubeedge-")).map((n) => [n.type, n])).values()];

describeWith([chromiumPart], "forms in the editor", () => {
    describe.each(["node-red", "node-red-v4"])("of %s", (nodeRed) => {
        let red: TestNodeRed;
        let editor: Editor;

        beforeAll(async () => {
            // The nodes are only looked at: disabled tabs keep them from listening on ports.
            const flows = unique.map((node) => (node.type === "tab" ? { ...node, disabled: true } : node));
            red = await TestNodeRed.start({ nodeRed, flows });
            editor = await Editor.open(red.url);
        });
        afterAll(async () => {
            await editor?.close();
            await red?.stop();
        });

        const exported = (id: string): Promise<string> =>
            editor.evaluate(`JSON.stringify(RED.nodes.createExportableNodeSet([RED.nodes.node("${id}")]))`);
        /** Node-RED itself counts a blank password field as changed: for those nodes the export alone is compared. */
        const touched = (id: string, type: string): Promise<boolean> =>
            editor.evaluate(`!RED.nodes.getType("${type}").credentials && !!RED.nodes.node("${id}").changed`);

        test("the editor opens without a complaint and knows every node", async () => {
            const unknown = `${JSON.stringify(ours.map(({ type }) => type))}.filter((type) => !RED.nodes.getType(type))`;
            expect(await editor.evaluate(unknown)).toEqual([]);
            expect(editor.takeComplaints()).toEqual([]);
        });

        test.each(ours.filter(({ x }) => x !== undefined))(
            "$type: open, OK, nothing has changed",
            async ({ id, type }) => {
                const before = await exported(id);
                await editor.evaluate(`RED.editor.edit(RED.nodes.node("${id}"))`);
                await editor.dialogIsOpen("#node-dialog-ok");
                const texts = await editor.page.locator("#dialog-form").innerText();
                expect(texts).not.toMatch(/kubeedge-[a-z]+\./);
                await editor.endDialog("#node-dialog-ok");
                expect(await exported(id)).toBe(before);
                expect(await touched(id, type)).toBe(false);
                expect(await editor.evaluate(`RED.nodes.node("${id}").valid`)).toBe(true);
                expect(editor.takeComplaints()).toEqual([]);
            },
        );

        test.each(ours.filter(({ x }) => x === undefined))(
            "$type: open, update, nothing has changed",
            async ({ id, type }) => {
                const before = await exported(id);
                await editor.evaluate(`RED.editor.editConfig("", "${type}", "${id}")`);
                await editor.dialogIsOpen("#node-config-dialog-ok");
                await editor.endDialog("#node-config-dialog-ok");
                expect(await exported(id)).toBe(before);
                expect(await touched(id, type)).toBe(false);
                expect(editor.takeComplaints()).toEqual([]);
            },
        );

        test("a value out of range is named before it is deployed", async () => {
            const id = ours.find(({ type }) => type === "kubeedge-eventbus")?.id;
            await editor.evaluate(`RED.editor.edit(RED.nodes.node("${id}"))`);
            await editor.dialogIsOpen("#node-dialog-ok");
            await editor.page.fill("#node-input-port", "70000");
            await editor.page.locator("#node-input-port").dispatchEvent("change");
            await editor.page.waitForSelector("#node-input-port.input-error");
            await editor.endDialog("#node-dialog-cancel");
        });
    });
});
