// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { chromiumPart, Editor } from "../support/editor.ts";
import { eventually } from "../support/eventually.ts";
import { TestNodeRed } from "../support/node-red.ts";
import { describeWith } from "../support/requires.ts";

const z = "t";
const NODES = ["kubeedge-device-in", "kubeedge-device-out", "kubeedge-device-get"];

/** What the cloud sends for one device and its model. */
function delivered(name: string, properties: readonly string[]): object[] {
    const metadata = { name, namespace: "plant" };
    const message = (resource: string, payload: object): object => ({
        topic: resource,
        route: { source: "devicecontroller", group: "resource", operation: "insert", resource },
        payload,
    });
    const spec = {
        protocol: "x",
        properties: properties.map((one) => ({ name: one, type: "INT", accessMode: "ReadWrite" })),
    };
    const device = { deviceModelRef: { name }, nodeName: "edge-1", protocol: { protocolName: "x" } };
    const own = { properties: properties.map((one) => ({ name: one })) };
    return [
        message(`plant/devicemodel/${name}`, { kind: "DeviceModel", metadata, spec }),
        message(`plant/device/${name}`, { kind: "Device", metadata, spec: { ...device, ...own } }),
    ];
}

const devices = [...delivered("press", ["force", "speed"]), ...delivered("oven", ["heat"])];
const flows = [
    { id: z, type: "tab", label: "lists" },
    { id: "identity", type: "kubeedge-identity", role: "edge", nodeName: "edge-1", cloudUrl: "https://127.0.0.1:9" },
    { id: "store", type: "kubeedge-store" },
    {
        id: "once",
        z,
        type: "inject",
        props: [],
        once: true,
        onceDelay: 0,
        repeat: "",
        x: 100,
        y: 40,
        wires: [["cloud"]],
    },
    {
        id: "cloud",
        z,
        type: "function",
        func: `return [${JSON.stringify(devices)}];`,
        outputs: 1,
        x: 250,
        y: 40,
        wires: [["twin"]],
    },
    {
        id: "twin",
        z,
        type: "kubeedge-devicetwin",
        identity: "identity",
        store: "store",
        x: 400,
        y: 40,
        wires: [[], [], []],
    },
    ...NODES.map((type, at) => ({
        ...{ id: type, z, type, version: 1, name: "", device: "", property: "", x: 400, y: 100 + 60 * at },
        wires: type === "kubeedge-device-out" ? [[]] : [[], []],
    })),
];

describeWith([chromiumPart], "the device nodes' lists in the editor", () => {
    describe.each(["node-red", "node-red-v4"])("of %s", (nodeRed) => {
        let red: TestNodeRed;
        let editor: Editor;

        beforeAll(async () => {
            red = await TestNodeRed.start({ nodeRed, flows });
            await eventually(async () => expect(await red.json("/kubeedge/devices")).toHaveLength(2));
            editor = await Editor.open(red.url);
        });
        afterAll(async () => {
            await editor?.close();
            await red?.stop();
        });

        const offered = (field: string): Promise<string[]> =>
            editor.evaluate(`$($("#node-input-${field}").prop("list")).children().toArray().map(({ value }) => value)`);

        test.each(NODES)("%s: a device and one of its properties are chosen from lists, or typed", async (type) => {
            await editor.evaluate(`RED.editor.edit(RED.nodes.node("${type}"))`);
            await editor.dialogIsOpen("#node-dialog-ok");
            await eventually(async () => expect(await offered("device")).toEqual(["plant/oven", "plant/press"]));
            expect(await offered("property")).toEqual(["force", "heat", "speed"]);
            await editor.page.fill("#node-input-device", "${DEVICE}");
            expect(await offered("property")).toEqual([]);
            const [, press = ""] = await offered("device");
            await editor.page.fill("#node-input-device", press);
            expect(await offered("property")).toEqual(["force", "speed"]);
            await editor.page.fill("#node-input-property", "speed");
            await editor.endDialog("#node-dialog-ok");
            const saved = `(({ device, property }) => ({ device, property }))(RED.nodes.node("${type}"))`;
            expect(await editor.evaluate(saved)).toEqual({ device: "plant/press", property: "speed" });
            expect(editor.takeComplaints()).toEqual([]);
        });

        test("without a device twin there is nothing to choose", async () => {
            await red.deploy(flows.filter(({ id }) => id !== "twin"));
            expect(await red.json("/kubeedge/devices")).toEqual([]);
        });
    });
});
