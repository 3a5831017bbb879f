// SPDX-License-Identifier: Apache-2.0
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { buildSync } from "esbuild";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { IsolatedFlowHost } from "../../../../nodes/edge/edged/isolated-host.ts";
import { type FlowNode, FlowRuntime } from "../../../../src/edge/edged/index.ts";
import {
    configMap,
    flowPod,
    type Gateway,
    removeTempDirs,
    startGateway,
    tempDir,
    testPorts,
    until,
} from "../../../edge/edged/harness.ts";
import { NpmRegistry } from "../../../support/npm-registry.ts";

/** Logs its own version and that of the package it depends on. */
const SHOUT = `module.exports = (RED) => RED.nodes.registerType("shout", function (def) {
    RED.nodes.createNode(this, def);
    setTimeout(() => this.log("shout " + require("./package.json").version + " words " + require("shout-words")), 1);
});`;
const HTML = '<script type="text/html" data-template-name="shout"></script>';
const FLOW: FlowNode[] = [
    { id: "t", type: "tab", label: "flow" },
    { id: "s", type: "shout", z: "t", name: "", x: 3, y: 1, wires: [] },
];
const WAIT_MS = 60_000;

describe("palette modules that a pod lists, from a registry", { timeout: 180_000 }, () => {
    let registry: NpmRegistry;
    let gateway: Gateway | undefined;
    let child: string;
    let dir: string;
    const before = { ...process.env };

    function publish(version: string): void {
        registry.publish({
            name: "@acme/node-red-contrib-shout",
            version,
            dependencies: { "shout-words": "^1.0.0" },
            manifest: { "node-red": { nodes: { shout: "shout.js" } } },
            files: { "shout.js": SHOUT, "shout.html": HTML },
        });
    }
    function publishWords(version: string): void {
        registry.publish({
            name: "shout-words",
            version,
            files: { "index.js": `module.exports = "${version}";` },
        });
    }
    /** A gateway whose flow pods each have a process of their own; the folder of modules outlives it. */
    async function open(): Promise<Gateway> {
        gateway = await startGateway({
            runtimes: (rootDir, store) => {
                const host = new IsolatedFlowHost(
                    { dir: join(rootDir, "units"), modulesDir: join(dir, "modules"), child },
                    testPorts,
                );
                return [new FlowRuntime({ ...testPorts, store, host, logDir: join(rootDir, "logs") })];
            },
        });
        return gateway;
    }
    function apply({ cloud }: Gateway, name: string, modules: string): string {
        const made = flowPod(name);
        const annotations = { ...made.metadata.annotations, "edge.redge.io/modules": modules };
        cloud.apply(`default/configmap/${name}-flow`, configMap(`${name}-flow`, { "a.json": JSON.stringify(FLOW) }));
        cloud.apply(`default/pod/${name}`, {
            ...made,
            metadata: { ...made.metadata, annotations },
            spec: { ...made.spec, runtimeClassName: "node-red-isolated" },
        });
        return `default/pod/${name}`;
    }
    const filesOf = (folder: string) =>
        existsSync(folder) ? readdirSync(folder, { recursive: true, withFileTypes: true }) : [];
    const logOf = ({ rootDir }: Gateway): string =>
        filesOf(join(rootDir, "logs"))
            .filter((entry) => entry.isFile())
            .map((entry) => readFileSync(join(entry.parentPath, entry.name), "utf8"))
            .join("");
    const said = (open: Gateway, text: string): Promise<unknown> =>
        until(() => logOf(open).includes(text) || undefined, text, WAIT_MS);
    /** The message of an event about that pod. */
    const told = ({ cloud }: Gateway, pod: string, pattern: RegExp): Promise<string> =>
        until(
            () =>
                cloud.events
                    .filter((event) => (event["involvedObject"] as { name?: string }).name === pod)
                    .map((event) => `${event["type"]} ${event["reason"]}: ${event["message"]}`)
                    .find((text) => pattern.test(text)),
            `an event like ${pattern}`,
            WAIT_MS,
        );

    /** The container does not run, and the pod's status says why. */
    const waits = ({ cloud }: Gateway, pod: string, pattern: RegExp): Promise<unknown> =>
        until(
            () => {
                const [container] = cloud.status(pod)?.containerStatuses ?? [];
                return pattern.test(container?.state?.waiting?.message ?? "") && container?.ready === false;
            },
            `a status like ${pattern}`,
            WAIT_MS,
        );

    beforeAll(async () => {
        registry = await NpmRegistry.start();
        dir = await tempDir();
        child = join(dir, "child.cjs");
        buildSync({
            entryPoints: [join(import.meta.dirname, "../../../../nodes/edge/edged/isolated-child.ts")],
            outfile: child,
            bundle: true,
            platform: "node",
            format: "cjs",
            external: ["node-red"],
        });
        // npm asks its environment, as it does at a gateway.
        Object.assign(process.env, registry.env);
        publishWords("1.0.0");
        publish("1.0.0");
        publish("1.1.0");
    });
    afterEach(async () => {
        await gateway?.stop();
        gateway = undefined;
        registry.down = false;
    });
    afterAll(async () => {
        for (const name of Object.keys(registry.env)) delete process.env[name];
        Object.assign(process.env, before);
        await registry.stop();
        await removeTempDirs();
    });

    it("has the version it names, though there is a newer one, and the same again with the registry gone", async () => {
        const first = await open();
        apply(first, "one", "@acme/node-red-contrib-shout@1.0.0");
        await said(first, "shout 1.0.0 words 1.0.0");
        const [folder = ""] = readdirSync(join(dir, "modules"));
        const lock = JSON.parse(readFileSync(join(dir, "modules", folder, "package-lock.json"), "utf8")) as {
            packages: Record<string, { version?: string; integrity?: string }>;
        };
        const locked = lock.packages["node_modules/shout-words"];
        expect(locked).toMatchObject({ version: "1.0.0", integrity: expect.stringMatching(/^sha512-/) });
        await first.stop();
        // What comes out later changes nothing, and nobody is asked.
        publishWords("1.0.1");
        registry.down = true;
        registry.asked.length = 0;
        const second = await open();
        apply(second, "one", "@acme/node-red-contrib-shout@1.0.0");
        await said(second, "shout 1.0.0 words 1.0.0");
        expect(registry.asked).toEqual([]);
    });

    it("tells in an event which version there is none of, and starts the pod once it is published", async () => {
        const started = await open();
        const pod = apply(started, "two", "@acme/node-red-contrib-shout@2.0.0");
        const event = await told(started, "two", /@acme\/node-red-contrib-shout@2\.0\.0/);
        expect(event).toMatch(/^Warning \w+: .*No matching version|^Warning \w+: .*ETARGET/);
        await waits(started, pod, /ETARGET/);
        publish("2.0.0");
        await said(started, "shout 2.0.0 words 1.0.1");
        await until(() => started.cloud.status(pod)?.phase === "Running" || undefined, "running", WAIT_MS);
    });

    it("does not run what is not what was published, and tells so", async () => {
        publish("3.0.0");
        registry.tamper("@acme/node-red-contrib-shout", "3.0.0");
        const started = await open();
        const pod = apply(started, "three", "@acme/node-red-contrib-shout@3.0.0");
        expect(await told(started, "three", /@acme\/node-red-contrib-shout@3\.0\.0/)).toContain("EINTEGRITY");
        await waits(started, pod, /EINTEGRITY/);
        expect(logOf(started)).not.toContain("shout 3.0.0");
    });

    it("tells that the registry does not answer, and needs nobody once it does", async () => {
        registry.down = true;
        const started = await open();
        apply(started, "four", "@acme/node-red-contrib-shout@1.1.0");
        expect(await told(started, "four", /@acme\/node-red-contrib-shout@1\.1\.0/)).toContain("503");
        registry.down = false;
        await said(started, "shout 1.1.0");
    });
});
