// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { buildSync } from "esbuild";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { IsolatedFlowHost } from "../../../../nodes/edge/edged/isolated-host.ts";
import type { FlowNode, FlowUnit } from "../../../../src/edge/edged/index.ts";
import { removeTempDirs, tempDir, testPorts, until } from "../../../edge/edged/harness.ts";

const MEBIBYTE = 2 ** 20;

/** Inject once → function with that code. */
function flow(code: string): FlowNode[] {
    return [
        { id: "t", type: "tab", label: "flow" },
        {
            id: "i",
            type: "inject",
            z: "t",
            once: true,
            onceDelay: 0.01,
            repeat: "",
            props: [],
            x: 1,
            y: 1,
            wires: [["f"]],
        },
        { id: "f", type: "function", z: "t", func: code, outputs: 0, x: 2, y: 1, wires: [] },
    ];
}

/** A node that logs in capitals, with its package's version. */
function shout(id: string): FlowNode {
    return { id, type: "shout", z: "t", name: "", x: 3, y: 1, wires: [] };
}

/** A palette module as npm packs it. */
async function paletteTarball(dir: string, name: string, version: string): Promise<string> {
    const folder = join(dir, "package");
    mkdirSync(folder, { recursive: true });
    const manifest = { name, version, "node-red": { nodes: { shout: "shout.js" } } };
    writeFileSync(join(folder, "package.json"), JSON.stringify(manifest));
    writeFileSync(
        join(folder, "shout.js"),
        `module.exports = (RED) => RED.nodes.registerType("shout", function (def) {
            RED.nodes.createNode(this, def);
            this.on("input", (msg) => this.log(msg.payload.toUpperCase() + " " + require("./package.json").version));
        });`,
    );
    writeFileSync(join(folder, "shout.html"), '<script type="text/html" data-template-name="shout"></script>');
    const tarball = join(dir, `${name}-${version}.tgz`);
    execFileSync("tar", ["-C", dir, "-czf", tarball, "package"]);
    return tarball;
}

describe("a Node-RED process of the pod's own", () => {
    let host: IsolatedFlowHost;
    let dir: string;
    let child: string;
    const lines: string[] = [];
    const ends: { unit: string; exitCode: number; reason: string }[] = [];
    const listener = {
        log: (unitId: string, stream: string, text: string): void => void lines.push(`${unitId} ${stream} ${text}`),
        ended: (unit: string, exitCode: number, reason: string): void => void ends.push({ unit, exitCode, reason }),
        status: (): void => {},
        changed: (): void => {},
    };

    function unit(name: string, nodes: readonly FlowNode[], more: Partial<FlowUnit> = {}): FlowUnit {
        return {
            id: `uid-${name}.flow.0`,
            namespace: "default",
            pod: name,
            container: "flow",
            files: [{ name: "/flow/a.json", nodes }],
            env: [["LINE", "3"]],
            modules: [],
            ...more,
        };
    }
    const said = (text: string): Promise<string> => until(() => lines.find((line) => line.includes(text)), text);
    const open = async (): Promise<void> => {
        host = new IsolatedFlowHost({ dir, modulesDir: join(dir, "../modules"), child }, testPorts);
        await host.start(listener);
    };

    beforeAll(async () => {
        dir = await tempDir();
        child = join(dir, "child.cjs");
        const entryPoints = [join(import.meta.dirname, "../../../../nodes/edge/edged/isolated-child.ts")];
        buildSync({
            entryPoints,
            outfile: child,
            bundle: true,
            platform: "node",
            format: "cjs",
            external: ["node-red"],
        });
        dir = join(dir, "units");
        await open();
    });
    afterEach(async () => {
        await host.stop();
        await open();
        ends.length = 0;
    });
    afterAll(async () => {
        await host.stop();
        await removeTempDirs();
    });

    it("runs the flow with its environment, tells its log and takes a changed flow without a restart", async () => {
        await host.deploy(unit("a", flow('node.log("line " + env.get("LINE")); console.log("plain");')));
        expect(await said("line 3")).toBe("uid-a.flow.0 stdout [info] [function:f] line 3");
        await said("uid-a.flow.0 stdout plain");
        const usage = await host.usage("uid-a.flow.0");
        expect(usage?.memoryBytes).toBeGreaterThan(30 * MEBIBYTE);
        await host.deploy(unit("a", flow('node.warn("second");')));
        expect(await said("second")).toContain("stderr");
        expect(ends).toEqual([]);
    });

    it("installs the modules that a pod lists, exactly, and keeps them for a start without a registry", async () => {
        const tarball = await paletteTarball(join(dir, ".."), "node-red-contrib-shout", "1.2.3");
        const nodes = [...flow('node.send({ payload: "hey" });'), shout("s")];
        const wired = nodes.map((node) => (node.id === "f" ? { ...node, outputs: 1, wires: [["s"]] } : node));
        const modules = [`node-red-contrib-shout@file:${tarball}`];
        await host.deploy(unit("shout", wired, { modules }));
        await said("HEY 1.2.3");
        await host.remove("uid-shout.flow.0");
        rmSync(tarball);
        lines.length = 0;
        await host.deploy(unit("shout", wired, { modules }));
        await said("HEY 1.2.3");
        // Another pod, which lists nothing, has no such node.
        await expect(host.deploy(unit("plain", wired))).rejects.toMatchObject({ code: "REDGE_FLOW_TYPES_MISSING" });
    });

    it("says which module it could not install, and takes no version that is not exact", async () => {
        const missing = unit("m", flow(""), { modules: [`node-red-contrib-none@file:${join(dir, "none.tgz")}`] });
        await expect(host.deploy(missing)).rejects.toMatchObject({
            code: "REDGE_FLOW_MODULE",
            details: {
                module: expect.stringContaining("node-red-contrib-none"),
                reason: expect.stringContaining("none.tgz"),
            },
        });
        for (const module of [
            "node-red-contrib-x",
            "node-red-contrib-x@^1.0.0",
            "node-red-contrib-x@latest",
            "--evil@1.0.0",
            "../x@1.0.0",
        ]) {
            await expect(host.deploy(unit("r", flow(""), { modules: [module] }))).rejects.toMatchObject({
                code: "REDGE_FLOW_MODULE",
                details: { module },
            });
        }
    });

    it("refuses missing types and code that cannot be compiled", async () => {
        const odd = [...flow(""), { id: "o", type: "no-such-node", z: "t", x: 1, y: 2, wires: [] }];
        await expect(host.deploy(unit("b", odd))).rejects.toMatchObject({ code: "REDGE_FLOW_TYPES_MISSING" });
        await expect(host.deploy(unit("c", flow("this is not code(")))).rejects.toMatchObject({
            code: "REDGE_FLOW_FAILED",
        });
    });

    it("ends a flow that leaks at its memory limit, and nobody else", async () => {
        await host.deploy(unit("good", flow('setInterval(() => node.log("alive"), 50);')));
        const leak =
            "const kept = []; setInterval(() => { for (let i = 0; i < 50; i++) kept.push(new Array(20000).fill(i)); }, 1);";
        await host.deploy(unit("leak", flow(leak), { memoryLimitBytes: 160 * MEBIBYTE }));
        const end = await until(() => ends[0], "end of the leak");
        expect(end).toMatchObject({ unit: "uid-leak.flow.0", exitCode: 137, reason: "OOMKilled" });
        const before = lines.length;
        await until(
            () => lines.slice(before).some((line) => line.includes("uid-good")) || undefined,
            "other flow goes on",
        );
        expect(ends).toHaveLength(1);
    });

    it("removes a flow that blocks", async () => {
        await host.deploy(unit("block", flow('node.log("blocking"); setTimeout(() => { for (;;); }, 20);')));
        await said("blocking");
        await host.remove("uid-block.flow.0");
        expect(await host.usage("uid-block.flow.0")).toBeUndefined();
        expect(ends).toEqual([]);
    });
});
