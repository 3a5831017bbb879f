// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { packageRoot, TestNodeRed } from "../support/node-red.ts";

interface FlowNode {
    readonly id: string;
    readonly type: string;
}

/** Node-RED's level number for errors. */
const ERROR = 20;

/** No cloud answers at this address: what matters here is that the flows start. */
const env = {
    REDGE_NODE_NAME: "edge-1",
    REDGE_CLOUD_URL: "https://127.0.0.1:9",
    REDGE_CLOUDHUB_URL: "wss://127.0.0.1:9",
    REDGE_TUNNEL_URL: "wss://127.0.0.1:9",
    REDGE_CONTAINER_RUNTIME: "none",
};

let red: TestNodeRed | undefined;
afterEach(() => red?.stop());

function flow(name: string): readonly FlowNode[] {
    return JSON.parse(readFileSync(join(packageRoot, name), "utf8"));
}

function idOf(nodes: readonly FlowNode[], type: string): string {
    const found = nodes.find((node) => node.type === type);
    if (found === undefined) throw new Error(`the flow has no ${type}`);
    return found.id;
}

describe.each(["node-red", "node-red-v4"])("shipped flows in %s", (nodeRed) => {
    test("the edge starts without a cloud: nothing is missing, what works alone works", async () => {
        const nodes = flow("edge-flows/edge.json");
        red = await TestNodeRed.start({ nodeRed, flows: nodes, env });
        expect(red.missingTypes).toEqual([]);
        for (const type of ["kubeedge-metamanager", "kubeedge-devicetwin", "kubeedge-eventbus"]) {
            await red.untilStatus(idOf(nodes, type), ({ fill }) => fill === "green");
        }
        // It has neither a certificate nor a token: somebody has to give it one.
        await red.untilStatus(
            idOf(nodes, "kubeedge-edgehub"),
            ({ fill, text }) => fill === "red" && /has no certificate/.test(text ?? ""),
        );
        expect(red.log.filter(({ level }) => level < ERROR)).toEqual([]);
    });

    test("a form left blank is enough for a node; one that lacks what it needs says so and stops nothing", async () => {
        red = await TestNodeRed.start({ nodeRed, flows: flow("edge-flows/edge.json") });
        const edgeStream = idOf(flow("edge-flows/edge.json"), "kubeedge-edgestream");
        await red.untilStatus(edgeStream, ({ fill, shape }) => fill === "red" && shape === "ring");
        await red.untilStatus(
            idOf(flow("edge-flows/edge.json"), "kubeedge-metamanager"),
            ({ fill }) => fill === "green",
        );
    });

    test("a node is changed and restarted alone, then removed, while the others go on", async () => {
        const nodes = flow("edge-flows/edge.json");
        red = await TestNodeRed.start({ nodeRed, flows: nodes, env });
        const [changed, other] = ["kubeedge-metamanager", "kubeedge-devicetwin"].map((type) => idOf(nodes, type));
        for (const id of [changed, other]) await red.untilStatus(id ?? "", ({ fill }) => fill === "green");
        red.statuses.clear();
        await red.deploy(
            nodes.map((node) => (node.id === changed ? { ...node, name: "renamed" } : node)),
            "nodes",
        );
        await red.untilStatus(changed ?? "", ({ fill }) => fill === "green");
        await red.deploy(
            nodes.filter(({ id }) => id !== changed),
            "nodes",
        );
        expect(red.statuses.get(other ?? "")?.fill ?? "green").toBe("green");
        expect(red.log.filter(({ level }) => level <= ERROR)).toEqual([]);
    });
});
