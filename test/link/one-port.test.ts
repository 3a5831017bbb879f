// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { CloudHub, type CloudHubConfig, cloudHubConfig } from "../../src/cloud/cloudhub/index.ts";
import { CloudStream, type CloudStreamConfig, cloudStreamConfig } from "../../src/cloud/cloudstream/index.ts";
import type { Component } from "../../src/core/component.ts";
import { parseConfig } from "../../src/core/config.ts";
import { EdgeStream } from "../../src/edge/edgestream/index.ts";
import { Kinds } from "../../src/kube/types.ts";
import {
    CloudAuthority,
    type CloudAuthorityConfig,
    cloudAuthorityConfig,
    EdgeCredentials,
    type EdgeCredentialsConfig,
    edgeCredentialsConfig,
} from "../../src/link/identity/index.ts";
import { makeEdgeHub, SOON, Tap, testPorts } from "../support/link/ends.ts";
import { MemoryCluster } from "../support/link/memory-cluster.ts";

/** Certificates, messages and the tunnel of a site through one TCP port, each part as it is. */
describe("one port for everything", () => {
    const cluster = new MemoryCluster();
    let folder: string;
    let identity: CloudAuthority;
    let hub: CloudHub;
    let stream: CloudStream;
    let kubelet: Server;
    let started: Component[];

    beforeEach(async () => {
        folder = mkdtempSync(join(tmpdir(), "redge-one-port-"));
        started = [];
        const ports = { ...testPorts, cluster };
        identity = new CloudAuthority(parseConfig<CloudAuthorityConfig>(cloudAuthorityConfig, {}), ports);
        await identity.start();
        const one = { websocketPort: 0, singlePort: true };
        hub = new CloudHub(parseConfig<CloudHubConfig>(cloudHubConfig, one), { ...ports, identity });
        await hub.start();
        const streams = { tunnelPort: hub.ports.websocket, streamPort: 0 };
        stream = new CloudStream(parseConfig<CloudStreamConfig>(cloudStreamConfig, streams), { ...ports, identity });
        await stream.start();
        kubelet = createServer((_request, response) => response.end("a line of the log\n"));
        await new Promise<void>((resolve) => kubelet.listen(join(folder, "kubelet.sock"), resolve));
    });
    afterEach(async () => {
        await Promise.all(started.map((component) => component.stop()));
        await Promise.all([hub.stop(), stream.stop()]);
        await identity.stop();
        kubelet.closeAllConnections();
        kubelet.close();
        rmSync(folder, { recursive: true });
    });

    const port = (): number => hub.ports.websocket;

    function credentials(token: string): EdgeCredentials {
        const cloudUrl = `https://127.0.0.1:${port()}`;
        const given = { nodeName: "edge-1", folder: join(folder, "identity"), cloudUrl, token };
        const config = parseConfig<EdgeCredentialsConfig>(edgeCredentialsConfig, given);
        return new EdgeCredentials(config, testPorts);
    }

    function logs(): Promise<{ status: number; body: string }> {
        const path = "/containerLogs/default/hello/main";
        return new Promise((resolve, reject) => {
            request(
                { host: "127.0.0.1", port: stream.ports.stream, path, agent: false, rejectUnauthorized: false },
                (answer) => {
                    let body = "";
                    answer.on("data", (part: Buffer) => {
                        body += part.toString();
                    });
                    answer.once("end", () => resolve({ status: answer.statusCode ?? 0, body }));
                },
            )
                .once("error", reject)
                .end();
        });
    }

    test("a gateway that knows one port alone joins, has its messages and its logs", async () => {
        expect(hub.ports.https).toBe(port());
        expect(stream.ports.tunnel).toBe(port());
        const metadata = { name: "hello", namespace: "default" };
        await cluster.create(Kinds.pod, { apiVersion: "v1", kind: "Pod", metadata, spec: { nodeName: "edge-1" } });
        const edge = credentials(await identity.createToken({ ttlMs: 60_000, nodeName: "edge-1", uses: 1 }));
        started.push(edge);
        await edge.start();

        const messages = makeEdgeHub(edge, port());
        const tap = new Tap(messages);
        started.push(messages);
        await messages.start();
        await tap.output("link", "connect");
        expect(hub.online).toEqual(["edge-1"]);

        const tunnel = new EdgeStream(
            {
                cloudUrl: `wss://127.0.0.1:${port()}`,
                kubelet: `unix:${join(folder, "kubelet.sock")}`,
                nodeAddress: "192.0.2.2",
            },
            { ...testPorts, identity: edge },
        );
        started.push(tunnel);
        await tunnel.start();
        await expect.poll(() => logs(), SOON).toEqual({ status: 200, body: "a line of the log\n" });

        // One part goes and comes without the others.
        await stream.stop();
        expect(hub.online).toEqual(["edge-1"]);
        const given = { tunnelPort: port(), streamPort: 0 };
        stream = new CloudStream(parseConfig<CloudStreamConfig>(cloudStreamConfig, given), {
            ...testPorts,
            cluster,
            identity,
        });
        await stream.start();
        await expect.poll(() => logs(), SOON).toEqual({ status: 200, body: "a line of the log\n" });
    });

    test.each([
        ["messages", "/project/edge-1/events", { node_id: "edge-1", ConnectionUse: "msg" }],
        ["the tunnel", "/v1/kubeedge/connect", { SessionHostNameOverride: "edge-1" }],
    ])("%s want a certificate there too", async (_what, path, headers) => {
        const socket = new WebSocket(`wss://127.0.0.1:${port()}${path}`, { rejectUnauthorized: false, headers });
        const status = await new Promise((resolve, reject) => {
            socket.once("unexpected-response", (_request, answer) => resolve(answer.statusCode));
            socket.once("open", () => reject(new Error("was let in")));
            socket.once("error", reject);
        });
        expect(status).toBe(401);
    });
});
