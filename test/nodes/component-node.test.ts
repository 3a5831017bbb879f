// SPDX-License-Identifier: Apache-2.0
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { attachComponent } from "../../nodes/shell/component-node.ts";
import type { NodeDef, NodeRed, RedNode } from "../../nodes/shell/red.ts";
import { RedgeError } from "../../src/core/errors/redge-error.ts";
import { newEnvelope, responseTo } from "../../src/envelope/envelope.ts";
import { arrival, helper, load, node, Probe, status } from "./support.ts";

let made: Probe[];
let prepare: (probe: Probe, attempt: number) => void;

function probeNode(RED: NodeRed): void {
    function ProbeNode(this: RedNode, def: NodeDef): void {
        RED.nodes.createNode(this, def);
        attachComponent(RED, this, def, async () => {
            const probe = new Probe();
            prepare(probe, made.length);
            made.push(probe);
            return probe;
        });
    }
    RED.nodes.registerType("probe", ProbeNode);
}

const flow = [
    { id: "f", type: "tab" },
    { id: "n", z: "f", type: "probe", wires: [["a"], ["b"]] },
    { id: "a", z: "f", type: "helper" },
    { id: "b", z: "f", type: "helper" },
    { id: "errors", z: "f", type: "catch", wires: [["caught"]] },
    { id: "caught", z: "f", type: "helper" },
    { id: "ends", z: "f", type: "complete", scope: ["n"], wires: [["completed"]] },
    { id: "completed", z: "f", type: "helper" },
];

const ask = { topic: "default/pod/web", payload: { a: 1 }, route: { operation: "update" }, mine: "kept" };

beforeAll(() => new Promise<void>((resolve) => helper.startServer(() => resolve())));
afterEach(() => helper.unload());
afterAll(() => new Promise<void>((resolve) => helper.stopServer(() => resolve())));

async function start(prepared: (probe: Probe, attempt: number) => void = () => {}): Promise<Probe> {
    made = [];
    prepare = prepared;
    await load([probeNode], flow);
    await status("n", ({ fill }) => fill === "green");
    const probe = made.at(-1);
    if (probe === undefined) throw new Error("no component was made");
    return probe;
}

describe("a component behind a node", () => {
    test("takes a message as an envelope and completes it", async () => {
        const probe = await start();
        const completed = arrival("completed");
        node("n").receive({ ...ask });
        expect(await completed).toMatchObject({ topic: "default/pod/web" });
        expect(probe.received).toHaveLength(1);
        expect(probe.received[0]).toMatchObject({
            route: { operation: "update", resource: "default/pod/web" },
            content: { a: 1 },
        });
        expect(probe.received[0]?.header.msg_id).not.toBe("");
    });

    test("sends by the port of the output's name", async () => {
        const probe = await start();
        const got = arrival("b");
        probe.emitTo(
            "second",
            newEnvelope({ route: { operation: "insert", resource: "null/node/n1" }, content: 7, node: "n1" }),
        );
        expect(await got).toMatchObject({
            topic: "null/node/n1",
            payload: 7,
            node: "n1",
            route: { operation: "insert", resource: "null/node/n1" },
        });
    });

    test("an answer keeps the properties of the message it answers", async () => {
        const probe = await start((made) => {
            made.onReceive = async (envelope) => made.emitTo("first", responseTo(envelope, "OK"));
        });
        const got = arrival("a");
        node("n").receive({ ...ask, _msgid: "m1" });
        expect(await got).toMatchObject({
            _msgid: "m1",
            mine: "kept",
            payload: "OK",
            route: { operation: "response" },
        });
        expect(probe.received).toHaveLength(1);
    });

    test("what a flow does to a message does not reach the component's copy", async () => {
        const probe = await start();
        const content = { labels: { a: "1" } };
        const got = arrival("a");
        probe.emitTo("first", newEnvelope({ route: { operation: "update", resource: "x/y/z" }, content }));
        (((await got).payload as typeof content).labels as Record<string, string>)["a"] = "changed";
        expect(content).toEqual({ labels: { a: "1" } });
    });

    test("a refusal reaches Catch nodes with its code", async () => {
        await start((made) => {
            made.onReceive = async () => {
                throw new RedgeError("REDGE_CONFIG_INVALID", { field: "x", reason: "is odd" });
            };
        });
        const caught = arrival("caught");
        node("n").receive({ ...ask });
        expect(await caught).toMatchObject({ topic: "default/pod/web", error: { code: "REDGE_CONFIG_INVALID" } });
    });

    test("a message that is no envelope is refused and never reaches the component", async () => {
        const probe = await start();
        const caught = arrival("caught");
        node("n").receive({ payload: "hello" });
        expect(await caught).toMatchObject({ error: { code: "REDGE_ENVELOPE_INVALID" } });
        expect(probe.received).toEqual([]);
    });

    test("messages that come before the start is finished wait for it, in order", async () => {
        let go = (): void => {};
        const gate = new Promise<void>((resolve) => {
            go = resolve;
        });
        made = [];
        prepare = (probe) => {
            probe.onStart = () => gate;
        };
        await load([probeNode], flow);
        const completed = arrival("completed");
        node("n").receive({ ...ask, topic: "a/b/1" });
        node("n").receive({ ...ask, topic: "a/b/2" });
        go();
        await completed;
        await status("n", ({ fill }) => fill === "green");
        expect(made[0]?.received.map(({ route }) => route.resource)).toEqual(["a/b/1", "a/b/2"]);
    });

    test("a start that fails is shown, reaches Catch nodes, and leaves the flow running", async () => {
        made = [];
        prepare = (probe) => {
            probe.onStart = async () => {
                throw new RedgeError("REDGE_CONFIG_INVALID", { field: "port", reason: "must be <= 65535" });
            };
        };
        await load([probeNode], flow);
        const caught = arrival("caught");
        const shown = await status("n", ({ fill }) => fill === "red");
        expect(shown.shape).toBe("ring");
        expect(shown.text).toContain("port");
        expect(await caught).toMatchObject({ error: { code: "REDGE_CONFIG_INVALID" } });
    });

    test("stops its component once when the node is closed, even one that hangs", async () => {
        const probe = await start((made) => {
            made.onStop = () => new Promise(() => {});
        });
        await helper.unload();
        expect(probe.stops).toBe(1);
    });
});
