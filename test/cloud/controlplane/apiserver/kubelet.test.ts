// SPDX-License-Identifier: Apache-2.0
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, request, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Kinds } from "../../../../src/kube/types.ts";
import { ApiHarness, pod } from "./harness.ts";

const api = new ApiHarness();
const asked: IncomingMessage[] = [];
/** What a command that says much and ends says: more than connections hold. */
const LARGE_BYTES = 16 * 2 ** 20;
let answer: (request: IncomingMessage, response: ServerResponse) => void = (_request, response) => response.end();
let kubelet: Server;
let caller: unknown;

beforeAll(async () => {
    await api.start();
    await api.namespace("default");
    const { server, caPem } = api.pki;
    kubelet = createServer(
        { cert: server.certPem, key: server.keyPem, ca: caPem, requestCert: true },
        (incoming, response) => {
            asked.push(incoming);
            caller = (incoming.socket as TLSSocket).getPeerCertificate().subject.CN;
            answer(incoming, response);
        },
    );
    kubelet.on("upgrade", (incoming: IncomingMessage, socket: Duplex) => {
        asked.push(incoming);
        socket.write(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: v4.channel.k8s.io\r\n\r\nhello",
        );
        if (incoming.url?.includes("command=large") === true) {
            socket.end(Buffer.alloc(LARGE_BYTES));
            return;
        }
        socket.on("data", (data: Buffer) => socket.write(data.toString().toUpperCase()));
        socket.on("end", () => socket.end());
    });
    await new Promise<void>((resolve) => kubelet.listen(0, "127.0.0.1", resolve));
    const { port } = kubelet.address() as AddressInfo;
    const node = { apiVersion: "v1", kind: "Node", metadata: { name: "edge" } };
    await api.client.create(Kinds.node, node);
    const status = {
        addresses: [{ type: "InternalIP", address: "127.0.0.1" }],
        daemonEndpoints: { kubeletEndpoint: { Port: port } },
    };
    await api.client.patch({ type: Kinds.node, name: "edge" }, { status }, "merge", { subresource: "status" });
    const containers = [
        { name: "a", image: "x" },
        { name: "b", image: "x" },
    ];
    await api.client.create(Kinds.pod, pod("bound", { nodeName: "edge" }));
    await api.client.create(Kinds.pod, pod("two", { nodeName: "edge", containers }));
    await api.client.create(Kinds.pod, pod("lost", { nodeName: "gone" }));
    await api.client.create(Kinds.pod, pod("waiting"));
});
afterAll(async () => {
    kubelet.closeAllConnections();
    kubelet.close();
    await api.dispose();
});

const log = (name: string, query = "") => api.raw(`/api/v1/namespaces/default/pods/${name}/log${query}`);

interface Upgraded {
    readonly head: string;
    readonly socket: Duplex | undefined;
    readonly answer: IncomingMessage;
}

function upgrade(path: string): Promise<Upgraded> {
    const { caPem, admin } = api.pki;
    const headers = { Connection: "Upgrade", Upgrade: "SPDY/3.1", "X-Stream-Protocol-Version": "v4.channel.k8s.io" };
    return new Promise((resolve, reject) => {
        const sent = request(`${api.url}${path}`, {
            method: "POST",
            ca: caPem,
            cert: admin.certPem,
            key: admin.keyPem,
            agent: false,
            headers,
        });
        sent.on("upgrade", (response, socket: Duplex, head: Buffer) =>
            resolve({ head: head.toString(), socket, answer: response }),
        );
        sent.on("response", (response) => {
            let text = "";
            response.on("data", (chunk: Buffer) => {
                text += chunk.toString();
            });
            response.on("end", () => resolve({ head: text, socket: undefined, answer: response }));
        });
        sent.on("error", reject);
        sent.end();
    });
}

describe("pods/log", () => {
    it("is asked of the pod's node, with the API server's own certificate and none of the caller's credentials", async () => {
        answer = (_request, response) => response.end("a line\n");
        const answered = await log("bound", "?tailLines=2&container=main");
        expect(answered.text).toBe("a line\n");
        const last = asked.at(-1);
        expect(last?.url).toBe("/containerLogs/default/bound/main?tailLines=2");
        expect(caller).toBe("kube-apiserver-kubelet-client");
        expect(last?.headers.authorization).toBeUndefined();
        expect(last?.headers["x-forwarded-uri"]).toBe("/api/v1/namespaces/default/pods/bound/log");
    });

    it("passes lines on as they come", async () => {
        let more: (text: string) => void = () => {};
        answer = (_request, response) => {
            response.write("first\n");
            more = (text) => response.end(text);
        };
        const { caPem, admin } = api.pki;
        const text = await new Promise<string>((resolve, reject) => {
            const sent = request(
                `${api.url}/api/v1/namespaces/default/pods/bound/log?follow=true`,
                { ca: caPem, cert: admin.certPem, key: admin.keyPem, agent: false },
                (response) => {
                    let seen = "";
                    response.on("data", (chunk: Buffer) => {
                        seen += chunk.toString();
                        if (seen === "first\n") more("second\n");
                    });
                    response.on("end", () => resolve(seen));
                },
            );
            sent.on("error", reject);
            sent.end();
        });
        expect(text).toBe("first\nsecond\n");
    });

    it("answers what is wrong as Status: no node yet, no such container, the node's own refusal, a node out of reach", async () => {
        expect((await log("waiting")).json).toMatchObject({ code: 400, reason: "BadRequest" });
        expect((await log("two")).json["message"]).toContain("choose one of: [a b]");
        expect((await log("two", "?container=c")).json).toMatchObject({ code: 400 });
        expect((await log("nobody")).json).toMatchObject({ code: 404 });
        answer = (_request, response) =>
            response.writeHead(400, { "Content-Type": "text/plain" }).end("container is waiting to start\n");
        expect((await log("bound")).json).toMatchObject({
            kind: "Status",
            code: 400,
            message: "container is waiting to start",
        });
        expect((await log("lost")).json).toMatchObject({ code: 404 });
    });
});

describe("exec, attach and port-forward", () => {
    it("join the two ends byte by byte", async () => {
        const {
            head,
            socket,
            answer: response,
        } = await upgrade(
            "/api/v1/namespaces/default/pods/bound/exec?command=ls&command=-l&stdin=true&stdout=true&tty=true",
        );
        expect(response.statusCode).toBe(101);
        expect(response.headers["x-stream-protocol-version"]).toBe("v4.channel.k8s.io");
        let seen = head;
        const echoed = new Promise<void>((resolve) => {
            const check = (): void => {
                if (seen.includes("WORLD")) resolve();
            };
            socket?.on("data", (data: Buffer) => {
                seen += data.toString();
                check();
            });
        });
        socket?.write("world");
        await echoed;
        expect(seen).toBe("helloWORLD");
        socket?.destroy();
        expect(asked.at(-1)?.url).toBe("/exec/default/bound/main?input=1&output=1&tty=1&command=ls&command=-l");
    });

    it("hand on all a command said before it ended, to a client that is slow too", async () => {
        const { head, socket } = await upgrade(
            "/api/v1/namespaces/default/pods/bound/exec?command=large&stdout=true&container=main",
        );
        let bytes = head.length;
        socket?.on("data", (data: Buffer) => {
            bytes += data.length;
            socket.pause();
            setImmediate(() => socket.resume());
        });
        await new Promise((resolve) => socket?.once("end", resolve));
        expect(bytes).toBe("hello".length + LARGE_BYTES);
        socket?.end();
    });

    it("answer a Status when they cannot begin", async () => {
        const refused = await upgrade("/api/v1/namespaces/default/pods/waiting/attach?stdout=true");
        expect(JSON.parse(refused.head)).toMatchObject({ kind: "Status", code: 400 });
        expect((await upgrade("/api/v1/namespaces/default/pods/nobody/portforward")).answer.statusCode).toBe(404);
        expect((await upgrade("/api/v1/namespaces/default/configmaps/x/exec")).answer.statusCode).toBe(404);
    });
});

describe("usage", () => {
    it("is computed from the nodes' summaries", async () => {
        answer = (incoming, response) => {
            const nodeName = String(incoming.headers["x-forwarded-uri"]).split("/")[4];
            const usage = { cpu: { usageNanoCores: 250_000_000 }, memory: { workingSetBytes: 2048 } };
            response.end(
                JSON.stringify({
                    node: { nodeName, ...usage },
                    pods: [
                        { podRef: { name: "bound", namespace: "default" }, containers: [{ name: "main", ...usage }] },
                    ],
                }),
            );
        };
        const base = "/apis/metrics.k8s.io/v1beta1";
        expect((await api.raw(`${base}/nodes`)).json["items"]).toMatchObject([
            { metadata: { name: "edge" }, usage: { cpu: "250000000n", memory: "2Ki" } },
        ]);
        expect((await api.raw(`${base}/namespaces/default/pods`)).json["items"]).toMatchObject([
            { metadata: { name: "bound" }, containers: [{ name: "main" }] },
        ]);
        expect((await api.raw(`${base}/namespaces/other/pods`)).json["items"]).toEqual([]);
        expect((await api.raw(`${base}/nodes/nobody`)).code).toBe(404);
        answer = (_request, response) => response.writeHead(500).end();
        expect((await api.raw(`${base}/nodes`)).json["items"]).toEqual([]);
    });
});
