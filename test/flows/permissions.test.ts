// SPDX-License-Identifier: Apache-2.0
import { afterEach, expect, test } from "vitest";
import { TestNodeRed } from "../support/node-red.ts";

let red: TestNodeRed | undefined;
afterEach(() => red?.stop());

const answers = async (path: string): Promise<number> => (await fetch(new URL(path, red?.url))).status;

function withPermissions(permissions: string): Promise<TestNodeRed> {
    const adminAuth = { type: "credentials", users: [], default: { permissions } };
    return TestNodeRed.start({ flows: [{ id: "t", type: "tab", label: "t" }], settings: { adminAuth } });
}

test.each(["/kubeedge/fleet", "/kubeedge/metrics", "/kubeedge/devices"])(
    "%s is for those who may read",
    async (path) => {
        red = await withPermissions("kubeedge.read");
        expect(await answers(path)).toBe(200);
        await red.stop();
        red = await withPermissions("flows.read");
        expect(await answers(path)).toBe(401);
    },
);

test("without a cluster the fleet is what runs in this Node-RED", async () => {
    const flows = [
        { id: "t", type: "tab", label: "t" },
        { id: "s", type: "kubeedge-store", name: "disk" },
        { id: "m", z: "t", type: "kubeedge-metamanager", store: "s", metaServerPort: "0", x: 1, y: 1, wires: [] },
    ];
    red = await TestNodeRed.start({ flows });
    await red.untilStatus("m", ({ fill }) => fill === "green");
    const fleet = (await red.json("/kubeedge/fleet")) as {
        components: { id: string; health: string }[];
        cluster?: unknown;
    };
    expect(fleet.cluster).toBeUndefined();
    expect(fleet.components).toContainEqual(expect.objectContaining({ id: "m", name: "metamanager", health: "good" }));
    expect(fleet.components).toContainEqual(expect.objectContaining({ id: "s", name: "disk", health: "good" }));
});
