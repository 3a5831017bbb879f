// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { request, type ServerOptions } from "node:https";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { isRedgeError } from "../../../src/core/errors/redge-error.ts";
import { Kinds } from "../../../src/kube/types.ts";
import type { TlsMaterial } from "../../../src/link/identity/ports.ts";
import { ForwardProxy } from "../../support/link/forward-proxy.ts";
import { TestPki } from "../../support/link/test-pki.ts";
import { Streams } from "./harness.ts";

const LOGS = "/containerLogs/default/hello/main";
const certificate = ({ certPem, keyPem }: TlsMaterial): ServerOptions => ({ cert: certPem, key: keyPem });

let streams: Streams;
beforeEach(async () => {
    streams = new Streams();
    await streams.start();
});
afterEach(() => streams.stop());

describe("kubectl logs", () => {
    test("relays the kubelet's answer whole: status, headers and body", async () => {
        const asked: string[] = [];
        streams.kubelet.on("request", (incoming, response) => {
            asked.push(`${incoming.method} ${incoming.url}`);
            if (incoming.url?.includes("missing")) response.writeHead(404).end("container not found");
            else response.writeHead(200, { "Content-Type": "text/plain", "X-Kubelet": "yes" }).end("line 1\nline 2\n");
        });
        await streams.connectEdge();
        const found = await streams.ask(`${LOGS}?tailLines=2`);
        expect(found).toMatchObject({ status: 200, body: "line 1\nline 2\n", headers: { "x-kubelet": "yes" } });
        const missing = await streams.ask("/containerLogs/default/hello/missing");
        expect(missing).toMatchObject({ status: 404, body: "container not found" });
        expect(asked).toEqual([`GET ${LOGS}?tailLines=2`, "GET /containerLogs/default/hello/missing"]);
    });

    test("follow: lines come as they are written, and the kubelet hears when the reader leaves", async () => {
        const ended = new Promise<void>((resolve) => {
            streams.kubelet.on("request", (_incoming, response) => {
                response.write("first\n");
                response.on("close", resolve);
            });
        });
        await streams.connectEdge();
        const sent = request(streams.options(`${LOGS}?follow=true`)).end();
        const [answer] = await once(sent, "response");
        expect(String((await once(answer, "data"))[0])).toBe("first\n");
        sent.destroy();
        await ended;
    });

    test("a reader that does not read delays nobody else", async () => {
        const endless = randomBytes(64 * 1024);
        let written = 0;
        streams.kubelet.on("request", (incoming, response) => {
            if (!incoming.url?.includes("follow")) {
                response.end("short");
                return;
            }
            const fill = (): void => {
                while (response.write(endless)) written += endless.length;
                response.once("drain", fill);
            };
            fill();
        });
        await streams.connectEdge();
        const stuck = request(streams.options(`${LOGS}?follow=true`)).end();
        const [answer] = await once(stuck, "response");
        answer.pause();
        for (let n = 0; n < 5; n += 1) expect((await streams.ask(LOGS)).body).toBe("short");
        expect(written).toBeLessThan(16 * 1024 * 1024);
        stuck.destroy();
    });

    test("says which part is missing", async () => {
        expect(await streams.ask(LOGS)).toMatchObject({ status: 503, body: expect.stringContaining("edge-1") });
        expect((await streams.ask("/containerLogs/default/other/main")).status).toBe(404);
        expect((await streams.ask("/healthz")).status).toBe(404);
        await streams.connectEdge();
        streams.kubelet.close();
        expect(await streams.ask(LOGS)).toMatchObject({ status: 502, body: expect.stringContaining("Edged") });
        await streams.cluster.create(Kinds.pod, {
            apiVersion: "v1",
            kind: "Pod",
            metadata: { name: "waiting", namespace: "default" },
            spec: {},
        });
        expect((await streams.ask("/containerLogs/default/waiting/main")).status).toBe(404);
    });
});

describe("kubectl exec, attach, port-forward", () => {
    test.each(["exec", "attach", "portForward"])(
        "%s: raw bytes both ways after the kubelet's own 101",
        async (kind) => {
            streams.kubelet.on("upgrade", (incoming, socket) => {
                expect(incoming.method).toBe("POST");
                socket.write(
                    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-A: b\r\n\r\n",
                );
                socket.pipe(socket);
            });
            await streams.connectEdge();
            const { headers, socket } = await streams.upgrade(`/${kind}/default/hello/main?command=sh`);
            expect(headers["x-a"]).toBe("b");
            const bytes = randomBytes(500_000);
            const received: Buffer[] = [];
            socket.on("data", (chunk: Buffer) => received.push(chunk));
            socket.write(bytes);
            await expect.poll(() => Buffer.concat(received).length).toBe(bytes.length);
            expect(Buffer.concat(received).equals(bytes)).toBe(true);
            socket.destroy();
        },
    );

    test("a refusal of the kubelet arrives as it is", async () => {
        streams.kubelet.on("upgrade", (_incoming, socket) => {
            socket.end("HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno");
        });
        await streams.connectEdge();
        await expect(streams.upgrade("/exec/default/hello/other")).rejects.toThrow("404");
    });
});

describe("the tunnel port", () => {
    const dial = (material: Partial<TlsMaterial>, node: string): Promise<string> =>
        new Promise((resolve) => {
            const { certPem, keyPem } = material;
            const socket = new WebSocket(`${streams.tunnelUrl}/v1/kubeedge/connect`, {
                ca: streams.pki.caPem,
                ...(certPem === undefined ? {} : { cert: certPem, key: keyPem }),
                headers: { SessionHostNameOverride: node },
            });
            socket.on("open", () => resolve("open"));
            socket.on("error", (error) => resolve(error.message));
            socket.on("close", () => resolve("closed"));
        });

    test("takes a node's own certificate and nothing else", async () => {
        expect(await dial(streams.pki.node("edge-1"), "edge-1")).toBe("open");
        expect(await dial(streams.pki.node("edge-1"), "edge-2")).toContain("403");
        expect(await dial(streams.pki.node("edge-1"), "")).toContain("403");
        expect(await dial({}, "edge-1")).not.toBe("open");
        expect(await dial(new TestPki().node("edge-1"), "edge-1")).not.toBe("open");
        const expired = { notBeforeMs: Date.now() - 2_000_000, notAfterMs: Date.now() - 1_000_000 };
        expect(await dial(streams.pki.node("edge-1", expired), "edge-1")).not.toBe("open");
        expect(await dial(streams.pki.server(), "edge-1")).not.toBe("open");
    });

    test("KubeEdge's own rule is there by option", async () => {
        await streams.cloud?.stop();
        await streams.startCloud({ authorization: "kubeedge" });
        expect(await dial(streams.pki.node("edge-1"), "edge-2")).toBe("open");
    });

    test("the newest tunnel of a node counts, and the edge comes back after the cloud was away", async () => {
        streams.kubelet.on("request", (_incoming, response) => response.end("ok"));
        await streams.connectEdge();
        const port = streams.cloud?.ports.tunnel ?? 0;
        await streams.cloud?.stop();
        await streams.startCloud({ tunnelPort: port });
        await expect.poll(async () => (await streams.ask(LOGS)).status).toBe(200);
    });

    test("is reached through a forward proxy", async () => {
        const proxy = new ForwardProxy();
        await proxy.start();
        streams.kubelet.on("request", (_incoming, response) => response.end("ok"));
        await streams.connectEdge("edge-1", streams.tunnelUrl, proxy.url());
        expect((await streams.ask(LOGS)).body).toBe("ok");
        expect(proxy.asked).toEqual([`127.0.0.1:${streams.cloud?.ports.tunnel}`]);
        await proxy.stop();
    });

    test("a port in use is told", async () => {
        const isTold = (error: unknown) => isRedgeError(error, "REDGE_STREAM_LISTEN");
        const tunnelPort = streams.cloud?.ports.tunnel ?? 0;
        const other = new Streams();
        await expect(other.start({ tunnelPort })).rejects.toSatisfy(isTold);
        await other.stop();
    });
});

describe("who may ask", () => {
    test("with the cluster's client CA known, only the API server's certificate", async () => {
        const cluster = new TestPki();
        await streams.cloud?.stop();
        await streams.cluster.create(Kinds.configMap, {
            apiVersion: "v1",
            kind: "ConfigMap",
            metadata: { name: "extension-apiserver-authentication", namespace: "kube-system" },
            data: { "client-ca-file": cluster.caPem },
        });
        await streams.startCloud();
        streams.kubelet.on("request", (_incoming, response) => response.end("ok"));
        await streams.connectEdge();
        const apiServer = cluster.client("kube-apiserver-kubelet-client");
        expect((await streams.ask(LOGS)).status).toBe(403);
        expect((await streams.ask(LOGS, certificate(cluster.node("edge-1")))).status).toBe(403);
        expect((await streams.ask(LOGS, certificate(streams.pki.client("kube-apiserver-kubelet-client")))).status).toBe(
            403,
        );
        expect((await streams.ask(LOGS, certificate(apiServer))).status).toBe(200);
        await expect(streams.upgrade("/exec/default/hello/main")).rejects.toThrow("403");
    });
});
