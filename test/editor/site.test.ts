// SPDX-License-Identifier: Apache-2.0
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { chromiumPart, Editor } from "../support/editor.ts";
import { eventually } from "../support/eventually.ts";
import { describeWith, program } from "../support/requires.ts";
import { root, TestSite } from "../support/site.ts";

/** REDGE_PICTURES=1 renews the pictures that the README shows. */
const pictures = process.env["REDGE_PICTURES"] === "1" ? join(root, "docs/images") : undefined;

describeWith([chromiumPart, program("kubectl")], "the editors of a running site", () => {
    let site: TestSite;
    let cloud: Editor;
    let edge: Editor;

    beforeAll(async () => {
        site = await TestSite.create();
        await site.start();
        const [, user = "", password = ""] = /log in as\s+(\S+)\s+password (\S+)/.exec(site.output) ?? [];
        const open = (variable: "REDGE_CLOUD_EDITOR_PORT" | "REDGE_EDGE_EDITOR_PORT"): Promise<Editor> =>
            Editor.open(`http://127.0.0.1:${site.port(variable)}`, { user, password });
        [cloud, edge] = await Promise.all([open("REDGE_CLOUD_EDITOR_PORT"), open("REDGE_EDGE_EDITOR_PORT")]);
    });
    afterAll(async () => {
        await cloud?.close();
        await edge?.close();
        await site?.stop();
        await site?.remove();
    });

    const statusOf = (editor: Editor, id: string): Promise<{ fill?: string; text?: string } | undefined> =>
        editor.evaluate(`RED.nodes.node("${id}")?.status`);

    async function picture(editor: Editor, name: string): Promise<void> {
        const picture = await editor.page.screenshot();
        expect(picture.byteLength).toBeGreaterThan(20_000);
        if (pictures === undefined) return;
        mkdirSync(pictures, { recursive: true });
        await editor.page.screenshot({ path: join(pictures, name) });
    }

    test("draw their flows, all green, with nothing in the browser's console", async () => {
        await eventually(async () => {
            expect((await statusOf(cloud, "redge-cloud-cloudhub"))?.fill).toBe("green");
            expect((await statusOf(edge, "redge-edge-edgehub"))?.fill).toBe("green");
            expect((await statusOf(edge, "redge-edge-edged"))?.fill).toBe("green");
        });
        await edge.evaluate(`RED.workspaces.show("redge-edge")`);
        await cloud.evaluate(`RED.sidebar.show("kubeedge-fleet")`);
        await eventually(async () =>
            expect(await cloud.page.locator(".kubeedge-fleet").textContent()).toMatch(/boiler/),
        );
        // Nodes without a name are called as in the palette.
        expect(await cloud.page.locator(".kubeedge-fleet").textContent()).toMatch(/cloud hub.*device controller/s);
        await picture(cloud, "cloud.png");
        await picture(edge, "edge.png");
        expect(cloud.takeComplaints()).toEqual([]);
        expect(edge.takeComplaints()).toEqual([]);
    });

    test("the fleet sidebar shows the node, its pods and devices, also when it is narrow", async () => {
        await cloud.evaluate(`RED.sidebar.show("kubeedge-fleet")`);
        const fleet = cloud.page.locator(".kubeedge-fleet");
        await eventually(async () => expect(await fleet.textContent()).toMatch(/Ready/));
        await cloud.evaluate(`$(".kubeedge-fleet").css("width", "180px")`);
        const overflow = `(() => { const e = $(".kubeedge-fleet")[0]; return e.scrollWidth - e.clientWidth; })()`;
        expect(await cloud.evaluate<number>(overflow)).toBeLessThanOrEqual(0);
        await cloud.evaluate(`$(".kubeedge-fleet").css("width", "")`);
        expect(cloud.takeComplaints()).toEqual([]);
    });

    test("a wire is cut in the editor and a function node put in between: the messages pass through it", async () => {
        await edge.evaluate(`RED.workspaces.show("redge-edge")`);
        await dropOntoWire(edge, "function", "redge-edge-edgehub", "redge-edge-metamanager");
        const spliced = `(() => {
            const from = RED.nodes.getNodeLinks("redge-edge-edgehub").filter((l) => l.sourcePort === 0);
            return { type: from[0]?.target.type, id: from[0]?.target.id, count: from.length };
        })()`;
        const { type, id, count } = await edge.evaluate<{ type: string; id: string; count: number }>(spliced);
        expect({ type, count }).toEqual({ type: "function", count: 1 });
        // Leases and the Node's status go through it, too, and whichever came last would be what is shown.
        const shown = `node.status({ fill: "green", shape: "dot", text: "seen " + msg.topic })`;
        const code = `if (msg.topic.startsWith("default/")) ${shown}; return msg;`;
        await edge.evaluate(`RED.nodes.node("${id}").func = ${JSON.stringify(code)}`);
        await edge.page.click("#red-ui-header-button-deploy");

        const pod = {
            apiVersion: "v1",
            kind: "Pod",
            metadata: { name: "spliced" },
            spec: {
                runtimeClassName: "node-red",
                containers: [
                    { name: "flow", image: "node-red/flow", volumeMounts: [{ name: "f", mountPath: "/flow" }] },
                ],
                volumes: [{ name: "f", configMap: { name: "spliced" } }],
            },
        };
        const flow = [{ id: "t", type: "tab", label: "spliced" }];
        const configMap = {
            apiVersion: "v1",
            kind: "ConfigMap",
            metadata: { name: "spliced" },
            data: { "flow.json": JSON.stringify(flow) },
        };
        await site.kubectlOk(
            ["apply", "-f", "-"],
            JSON.stringify({ apiVersion: "v1", kind: "List", items: [configMap, pod] }),
        );
        await eventually(async () => {
            const { status } = await site.json<{ status: { phase?: string } }>(["get", "pod", "spliced"]);
            expect(status.phase).toBe("Running");
        });
        await eventually(async () => expect((await statusOf(edge, id))?.text).toMatch(/^seen default\//));
        expect(edge.takeComplaints()).toEqual([]);
    });
});

/** What a person does: takes a node from the palette and lets it fall onto the wire between two nodes. */
async function dropOntoWire(editor: Editor, type: string, from: string, to: string): Promise<void> {
    const { page } = editor;
    const middle = await editor.evaluate<{ x: number; y: number }>(`(() => {
        const wires = [...document.querySelectorAll(".red-ui-flow-link")];
        const wire = wires.find(({ __data__: link }) => link.source.id === "${from}" && link.target.id === "${to}");
        const line = wire.querySelector("path");
        const point = line.getPointAtLength(line.getTotalLength() / 2).matrixTransform(line.getScreenCTM());
        return { x: point.x, y: point.y };
    })()`);
    const entry = page.locator(`.red-ui-palette-node[data-palette-type="${type}"]`);
    await entry.scrollIntoViewIfNeeded();
    const box = await entry.boundingBox();
    if (box === null) throw new Error(`the palette has no ${type}`);
    await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
    await page.mouse.down();
    const near = { x: middle.x - 60, y: middle.y - 40 };
    await page.mouse.move(near.x, near.y, { steps: 8 });
    const dragged = await page.locator(".red-ui-palette-node.ui-draggable-dragging").boundingBox();
    if (dragged === null) throw new Error("nothing is being dragged");
    // The editor looks for a wire 10 pixels below the middle of what is dragged, which need not be where the pointer is.
    const x = middle.x + near.x - (dragged.x + dragged.width / 2);
    const y = middle.y + near.y - (dragged.y + dragged.height / 2) - 10;
    await page.mouse.move(x, y, { steps: 8 });
    // The editor marks the wire that the node would fall onto.
    await page.waitForSelector(".red-ui-flow-link-splice", { state: "attached" });
    await page.mouse.up();
}
