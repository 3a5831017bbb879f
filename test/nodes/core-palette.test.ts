// SPDX-License-Identifier: Apache-2.0
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type RequestListener, type Server } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { NodeRedRuntime } from "../../nodes/edge/edged/flow-host-red.ts";
import { beforeDeploy, bringTypes, DEFERRABLE, deferTo, unusedCoreFiles } from "../../nodes/shell/core-palette.ts";

interface Red {
    init(server: Server, settings: object): void;
    start(): Promise<void>;
    stop(): Promise<void>;
    readonly httpAdmin: RequestListener;
    readonly runtime: {
        readonly nodes: NodeRedRuntime["nodes"];
        readonly flows: { getNodeCredentials(options: { type: string; id: string }): Promise<unknown> };
    };
    readonly events: { once(event: string, listener: () => void): void };
}

const require = createRequire(import.meta.url);
const coreDir = join(dirname(require.resolve("@node-red/nodes/package.json")), "core");
let userDir: string;

beforeAll(() => {
    userDir = mkdtempSync(join(tmpdir(), "redge-core-palette-"));
});
afterAll(() => rmSync(userDir, { recursive: true, force: true }));

function flowFile(content: string): string {
    const path = join(userDir, "flows.json");
    writeFileSync(path, content);
    return path;
}

describe("the palette of a process without an editor", () => {
    it.each(Object.entries(DEFERRABLE))("knows every type of %s", (file, types) => {
        const text = readFileSync(join(coreDir, file), "utf8");
        const registered = [...text.matchAll(/registerType\(\s*["']([^"']+)["']/g)].map(([, type]) => type);
        expect(registered.sort()).toEqual([...types].sort());
    });

    it("loads at the start what the flow file uses", () => {
        const unused = unusedCoreFiles(
            flowFile(
                JSON.stringify([
                    { id: "1", type: "mqtt-broker" },
                    { id: "2", type: "csv" },
                ]),
            ),
        );
        expect(Object.keys(DEFERRABLE).filter((file) => !unused.includes(file))).toEqual([
            "network/10-mqtt.js",
            "parsers/70-CSV.js",
        ]);
    });

    it("leaves a flow file that is absent or broken to Node-RED", () => {
        expect(unusedCoreFiles(join(userDir, "none.json"))).toEqual(Object.keys(DEFERRABLE));
        expect(unusedCoreFiles(flowFile("{"))).toEqual(Object.keys(DEFERRABLE));
        expect(unusedCoreFiles(flowFile('[null, 1, {"id": "1"}]'))).toEqual(Object.keys(DEFERRABLE));
    });
});

describe("deferred files in a running Node-RED", () => {
    let RED: Red;
    let server: Server;
    let url: string;

    beforeAll(async () => {
        flowFile("[]");
        mkdirSync(join(userDir, "nodes"));
        // A node set with a `RED` of its own, as Redge's have.
        writeFileSync(join(userDir, "nodes", "own.js"), "module.exports = (RED) => RED.settings.handOver(RED);");
        writeFileSync(join(userDir, "nodes", "own.html"), "");
        RED = require("node-red") as Red;
        server = createServer((request, response) => RED.httpAdmin(request, response));
        RED.init(server, {
            userDir,
            flowFile: "flows.json",
            httpAdminRoot: "/",
            disableEditor: true,
            credentialSecret: "test",
            telemetry: { enabled: false },
            logging: { console: { level: "off" } },
            nodesExcludes: Object.keys(DEFERRABLE).map((file) => basename(file)),
            deferredPalette: Object.keys(DEFERRABLE),
            httpAdminMiddleware: beforeDeploy,
            handOver: deferTo,
        });
        await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
        url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
        const started = new Promise<void>((resolve) => RED.events.once("flows:started", resolve));
        await RED.start();
        await started;
    });
    afterAll(async () => {
        server.close();
        server.closeAllConnections();
        await RED.stop();
    });

    async function known(): Promise<readonly string[]> {
        const sets = await RED.runtime.nodes.getNodeList({});
        return sets.flatMap(({ types, enabled, err }) => (enabled === false || err ? [] : (types ?? [])));
    }

    it("are not there until somebody brings one of their types, and then with all of them", async () => {
        expect(await known()).not.toContain("csv");
        await bringTypes(["csv", "inject", "http request"]);
        await bringTypes(["csv"]);
        expect(await known()).toEqual(expect.arrayContaining(["csv", "http request"]));
        expect(await known()).not.toContain("mqtt in");
    });

    it("are all there before a deploy over the admin API, so that it keeps its credentials and starts", async () => {
        const broker = { id: "b1", type: "mqtt-broker", broker: "127.0.0.1", port: "1", autoConnect: false };
        const flows = [{ ...broker, credentials: { user: "line", password: "secret" } }];
        const deployed = await fetch(`${url}/flows`, {
            method: "POST",
            headers: { "content-type": "application/json" },
            body: JSON.stringify(flows),
        });
        expect(deployed.status).toBe(204);
        const kept = await RED.runtime.flows.getNodeCredentials({ type: "mqtt-broker", id: "b1" });
        expect(kept).toEqual({ user: "line", has_password: true });
        expect(await known()).toEqual(expect.arrayContaining(Object.values(DEFERRABLE).flat()));
    });
});
