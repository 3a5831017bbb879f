// SPDX-License-Identifier: Apache-2.0
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { attachComponent } from "../../nodes/shell/component-node.ts";
import { attachPart } from "../../nodes/shell/config-node.ts";
import type { NodeDef, NodeRed, RedNode } from "../../nodes/shell/red.ts";
import type { PartKind } from "../../nodes/shell/shell.ts";
import { RedgeError } from "../../src/core/errors/redge-error.ts";
import { eventually } from "../support/eventually.ts";
import { arrival, helper, load, Probe, status } from "./support.ts";

const inner: PartKind<string> = { type: "inner" };
const outer: PartKind<string> = { type: "outer" };
let events: string[];
let openInner: () => Promise<string>;

function nodes(RED: NodeRed): void {
    function Inner(this: RedNode, def: NodeDef): void {
        RED.nodes.createNode(this, def);
        attachPart(RED, this, def, async () => {
            const value = await openInner();
            events.push("inner opened");
            return { value, close: async () => void events.push("inner closed") };
        });
    }
    function Outer(this: RedNode, def: NodeDef): void {
        RED.nodes.createNode(this, def);
        attachPart(RED, this, def, async (shell) => {
            const value = `${await shell.use(inner, "inner")}, by outer`;
            events.push("outer opened");
            return { value, close: async () => void events.push("outer closed") };
        });
    }
    function User(this: RedNode, def: NodeDef): void {
        RED.nodes.createNode(this, def);
        attachComponent(RED, this, def, async (shell) => {
            const part = await shell.use(outer, "outer");
            const probe = new Probe();
            probe.onStart = async () => void events.push(`${this.id} has ${part}`);
            probe.onStop = async () => void events.push(`${this.id} stopped`);
            return probe;
        });
    }
    function Alone(this: RedNode, def: NodeDef): void {
        RED.nodes.createNode(this, def);
        attachComponent(RED, this, def, async (shell) => {
            const part = await shell.useAlone(inner, "inner");
            const probe = new Probe();
            probe.onStart = async () => void events.push(`${this.id} has ${part}`);
            return probe;
        });
    }
    RED.nodes.registerType("inner", Inner);
    RED.nodes.registerType("alone", Alone);
    RED.nodes.registerType("outer", Outer);
    RED.nodes.registerType("user", User);
}

const config = [
    { id: "f", type: "tab" },
    { id: "i", type: "inner" },
    { id: "o", type: "outer", inner: "i" },
    { id: "errors", z: "f", type: "catch", wires: [["caught"]] },
    { id: "caught", z: "f", type: "helper" },
];
const user = (id: string, chosen = "o") => ({ id, z: "f", type: "user", outer: chosen, wires: [] });

beforeAll(() => new Promise<void>((resolve) => helper.startServer(() => resolve())));
beforeEach(() => {
    events = [];
    openInner = async () => "inner";
});
afterEach(() => helper.unload());
afterAll(() => new Promise<void>((resolve) => helper.stopServer(() => resolve())));

test("a part is opened once for all who use it, and closed after the last of them", async () => {
    await load([nodes], [...config, user("a"), user("b")]);
    await Promise.all(["a", "b"].map((id) => status(id, ({ fill }) => fill === "green")));
    expect(events.slice(0, 2)).toEqual(["inner opened", "outer opened"]);
    expect(events.slice(2).sort()).toEqual(["a has inner, by outer", "b has inner, by outer"]);
    events = [];
    await helper.unload();
    expect(events.slice(0, 2).sort()).toEqual(["a stopped", "b stopped"]);
    expect(events.slice(2)).toEqual(["outer closed", "inner closed"]);
});

test("a part that nobody uses is never opened", async () => {
    await load([nodes], config);
    await helper.unload();
    expect(events).toEqual([]);
});

test("the failure of a part reaches the tabs of those who use it, also through another config node", async () => {
    openInner = async () => {
        throw new RedgeError("REDGE_CONFIG_INVALID", { field: "path", reason: "is odd" });
    };
    await load([nodes], [...config, user("a")]);
    const caught = await arrival("caught");
    expect(caught).toMatchObject({ error: { code: "REDGE_CONFIG_INVALID", source: { id: "i" } } });
    expect((await status("a", ({ fill }) => fill === "red")).text).toContain("path");
});

test("a node for which no config node is chosen says which field lacks one", async () => {
    await load([nodes], [...config, user("a", "")]);
    const caught = await arrival("caught");
    expect(caught).toMatchObject({ error: { code: "REDGE_NODE_NOT_CHOSEN" } });
    expect((await status("a", ({ fill, shape }) => fill === "red" && shape === "ring")).text).toContain("outer");
});

test("a second node that keeps its records in the same part is refused, and takes over when the first is gone", async () => {
    const alone = (id: string, more = {}) => ({ id, z: "f", type: "alone", inner: "i", wires: [], ...more });
    await load([nodes], [...config, alone("first", { name: "mine" }), alone("second")]);
    const { text } = await status("second", ({ fill }) => fill === "red");
    expect(text).toBe("Another alone node (mine) keeps its state in the same store");
    await eventually(() => expect(events).toEqual(["inner opened", "first has inner"]));
    await (helper.getNode("first") as unknown as { close(): Promise<void> }).close();
    await eventually(() => expect(events).toContain("second has inner"));
});
