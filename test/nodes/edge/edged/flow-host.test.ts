// SPDX-License-Identifier: Apache-2.0
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { GatewayFlowHost } from "../../../../nodes/edge/edged/flow-host.ts";
import type { NodeRedEvents, NodeRedRuntime } from "../../../../nodes/edge/edged/flow-host-red.ts";
import { headlessSettings } from "../../../../nodes/edge/edged/headless-settings.ts";
import { podFlowStorage } from "../../../../nodes/edge/edged/pod-flow-storage.ts";
import type { FlowNode, FlowUnit } from "../../../../src/edge/edged/index.ts";
import { testPorts, until } from "../../../edge/edged/harness.ts";
import { NpmRegistry } from "../../../support/npm-registry.ts";

interface Red extends NodeRedEvents {
    init(server: unknown, settings: object): void;
    start(): Promise<void>;
    stop(): Promise<void>;
    readonly runtime: NodeRedRuntime;
}

const OWN: FlowNode[] = [
    { id: "0000000000000001", type: "tab", label: "mine" },
    { id: "0000000000000002", type: "comment", z: "0000000000000001", x: 1, y: 1, wires: [] },
];
const lines: string[] = [];
let userDir: string;
let RED: Red;
let host: GatewayFlowHost;

/** Inject once → function that logs and sends → debug; ids are the same in every copy on purpose. */
function helloFlow(text: string): FlowNode[] {
    return [
        { id: "tab1", type: "tab", label: "hello" },
        {
            id: "in1",
            type: "inject",
            z: "tab1",
            once: true,
            onceDelay: 0.01,
            repeat: "",
            props: [{ p: "payload" }],
            payload: "LINE",
            payloadType: "env",
            x: 1,
            y: 1,
            wires: [["fn1"]],
        },
        {
            id: "fn1",
            type: "function",
            z: "tab1",
            func: `node.log("${text} " + msg.payload); node.warn("careful"); return msg;`,
            outputs: 1,
            x: 2,
            y: 1,
            wires: [["dbg1"]],
        },
        {
            id: "dbg1",
            type: "debug",
            z: "tab1",
            name: "out",
            active: true,
            tosidebar: true,
            complete: "payload",
            x: 3,
            y: 1,
            wires: [],
        },
    ];
}

function unit(pod: string, nodes: readonly FlowNode[], line = "3", attempt = 0): FlowUnit {
    return {
        id: `uid-${pod}.flow.${attempt}`,
        namespace: "default",
        pod,
        container: "flow",
        files: [{ name: "/flow/a.json", nodes }],
        env: [["LINE", line]],
        modules: [],
    };
}

async function tabs(): Promise<string[]> {
    const { flows } = (await RED.runtime.flows.getFlows({})) ?? { flows: [] };
    return flows.filter(({ type }) => type === "tab").map(({ label }) => String(label));
}

function said(text: string): Promise<string> {
    return until(() => lines.find((line) => line.includes(text)), text);
}

beforeAll(async () => {
    userDir = await mkdtemp(join(tmpdir(), "redge-flow-host-"));
    await writeFile(join(userDir, "flows.json"), JSON.stringify(OWN));
    const require = createRequire(import.meta.url);
    RED = require("node-red") as Red;
    const server = createServer();
    RED.init(server, {
        ...headlessSettings(userDir, podFlowStorage(import.meta.url)),
        flowFile: "flows.json",
        credentialSecret: "test",
    });
    const started = new Promise((resolve) => RED.events.once("flows:started", resolve));
    await RED.start();
    await started;
    host = new GatewayFlowHost(RED, RED.runtime, testPorts);
    await host.start(
        {
            log: (unitId, stream, text) => lines.push(`${unitId} ${stream} ${text}`),
            ended: () => {},
            status: () => {},
            changed: () => {},
        },
        [],
    );
}, 60_000);

afterAll(async () => {
    await host.stop();
    await RED.stop();
    await rm(userDir, { recursive: true, force: true });
});

describe("the gateway's own Node-RED as flow host", () => {
    it("runs two pods with the same ids beside the owner's flow and tells their output apart", async () => {
        await Promise.all([
            host.deploy(unit("a", helloFlow("from a"))),
            host.deploy(unit("b", helloFlow("from b"), "7")),
        ]);
        expect((await tabs()).sort()).toEqual(["default/a", "default/b", "mine"]);
        expect(await said("from a 3")).toBe("uid-a.flow.0 stdout [info] [function:fn1] from a 3");
        expect(await said("from b 7")).toContain("uid-b.flow.0");
        expect(await said("uid-b.flow.0 stdout [debug]")).toBe("uid-b.flow.0 stdout [debug] [out] 7");
        expect(await said("uid-a.flow.0 stderr")).toContain("careful");
        expect(await host.usage("uid-a.flow.0")).toEqual({ cpuNanoseconds: 0, memoryBytes: 0 });
        expect(await host.usage("uid-a.flow.7")).toBeUndefined();
    });

    it("locks the tabs and keeps them out of the owner's flow file", async () => {
        const { flows } = (await RED.runtime.flows.getFlows({})) ?? { flows: [] };
        expect(flows.find(({ label }) => label === "default/a")).toMatchObject({ locked: true });
        const saved = JSON.parse(await readFile(join(userDir, "flows.json"), "utf8")) as FlowNode[];
        expect(saved.map(({ id }) => id)).toEqual(OWN.map(({ id }) => id));
    });

    it("refuses a flow whose node types are missing, and other flows go on", async () => {
        const nodes = [...helloFlow("x"), { id: "odd", type: "no-such-node", z: "tab1", x: 4, y: 1, wires: [] }];
        await expect(host.deploy(unit("c", nodes))).rejects.toMatchObject({ code: "REDGE_FLOW_TYPES_MISSING" });
        expect(await tabs()).not.toContain("default/c");
    });

    it("runs subflows and config nodes of a pod, also several files", async () => {
        const sub: FlowNode[] = [
            {
                id: "sub1",
                type: "subflow",
                name: "greet",
                in: [{ x: 1, y: 1, wires: [{ id: "sfn" }] }],
                out: [],
                env: [],
            },
            {
                id: "sfn",
                type: "function",
                z: "sub1",
                func: 'node.log("in subflow " + env.get("LINE"));',
                outputs: 0,
                x: 1,
                y: 1,
                wires: [],
            },
            { id: "tab2", type: "tab", label: "two" },
            {
                id: "i2",
                type: "inject",
                z: "tab2",
                once: true,
                onceDelay: 0.01,
                repeat: "",
                props: [],
                x: 1,
                y: 1,
                wires: [["s2"]],
            },
            { id: "s2", type: "subflow:sub1", z: "tab2", x: 2, y: 1, wires: [] },
        ];
        const files = [
            { name: "/flow/a.json", nodes: helloFlow("first file") },
            { name: "/flow/b.json", nodes: sub },
        ];
        await host.deploy({ ...unit("d", []), files });
        expect(await said("in subflow 3")).toContain("uid-d.flow.0");
        await said("first file 3");
        await host.remove("uid-d.flow.0");
    });

    it("does not start a flow again that has not changed, and starts one that has", async () => {
        const before = lines.length;
        await host.deploy(unit("b", helloFlow("from b"), "7"));
        await host.deploy(unit("a", helloFlow("changed"), "4"));
        await said("changed 4");
        expect(lines.slice(before).some((line) => line.startsWith("uid-b"))).toBe(false);
    });

    it("puts a tab back that the owner deleted", async () => {
        const current = await RED.runtime.flows.getFlows({});
        const kept = (current?.flows ?? []).filter(
            ({ id, z }) => ![id, z].some((text) => String(text).startsWith("pod-")),
        );
        await RED.runtime.flows.setFlows({ flows: { flows: kept, rev: current?.rev ?? "" }, deploymentType: "full" });
        await until(
            async () => ((await tabs()).includes("default/a") && (await tabs()).includes("default/b")) || undefined,
            "tabs back",
        );
    });

    it("removes the tabs with the pod, and only those", async () => {
        await host.remove("uid-a.flow.0");
        expect((await tabs()).sort()).toEqual(["default/b", "mine"]);
        await host.remove("uid-b.flow.0");
        expect(await tabs()).toEqual(["mine"]);
    });

    it("installs the version that a pod names from the registry, into the gateway's palette", async () => {
        const registry = await NpmRegistry.start();
        for (const version of ["1.0.0", "1.1.0"]) {
            registry.publish({
                name: "node-red-contrib-shout",
                version,
                manifest: { "node-red": { nodes: { shout: "shout.js" } } },
                files: {
                    "shout.js": `module.exports = (RED) => RED.nodes.registerType("shout", function (def) {
                        RED.nodes.createNode(this, def);
                        setTimeout(() => this.log("shout " + require("./package.json").version), 1);
                    });`,
                    "shout.html": '<script type="text/html" data-template-name="shout"></script>',
                },
            });
        }
        const nodes = [
            { id: "t", type: "tab", label: "flow" },
            { id: "s", type: "shout", z: "t", name: "", x: 3, y: 1, wires: [] },
        ];
        const before = { ...process.env };
        Object.assign(process.env, registry.env);
        try {
            await host.deploy({ ...unit("shout", nodes), modules: ["node-red-contrib-shout@1.0.0"] });
            expect(await said("shout 1.0.0")).toContain("uid-shout.flow.0 stdout");
            const other = { ...unit("other", nodes), modules: ["node-red-contrib-shout@1.1.0"] };
            await expect(host.deploy(other)).rejects.toMatchObject({
                code: "REDGE_FLOW_MODULE",
                details: { reason: expect.stringContaining("the gateway has version 1.0.0") },
            });
            const none = { ...unit("none", nodes), modules: ["node-red-contrib-none@1.0.0"] };
            await expect(host.deploy(none)).rejects.toMatchObject({ code: "REDGE_FLOW_MODULE" });
        } finally {
            for (const name of Object.keys(registry.env)) delete process.env[name];
            Object.assign(process.env, before);
            await host.remove("uid-shout.flow.0");
            await registry.stop();
        }
    });

    it("leaves a module alone that the owner has in another version, and takes no range", async () => {
        const wants = (module: string): FlowUnit => ({ ...unit("f", helloFlow("x")), modules: [module] });
        await expect(host.deploy(wants("node-red@0.0.1"))).rejects.toMatchObject({
            code: "REDGE_FLOW_MODULE",
            details: { module: "node-red@0.0.1", reason: expect.stringContaining("the gateway has version 5") },
        });
        await expect(host.deploy(wants("node-red@^5"))).rejects.toMatchObject({ code: "REDGE_FLOW_MODULE" });
        expect(await tabs()).toEqual(["mine"]);
    });

    it("fails a flow whose node cannot be made", async () => {
        const nodes = helloFlow("x").map((node) =>
            node.type === "function" ? { ...node, func: "this is not code(" } : node,
        );
        await expect(host.deploy(unit("e", nodes))).rejects.toMatchObject({ code: "REDGE_FLOW_FAILED" });
        await host.remove("uid-e.flow.0");
    });
});
