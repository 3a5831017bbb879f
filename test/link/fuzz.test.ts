// SPDX-License-Identifier: Apache-2.0
import { createServer, request } from "node:https";
import { type AddressInfo, connect as tcpConnect } from "node:net";
import { type TLSSocket, connect as tlsConnect } from "node:tls";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import type { CloudHub } from "../../src/cloud/cloudhub/index.ts";
import { makeCloudHub, makeEdgeHub, Tap } from "../support/link/ends.ts";
import { MemoryCluster } from "../support/link/memory-cluster.ts";
import { frame } from "../support/link/raw-websocket.ts";
import { TestPki } from "../support/link/test-pki.ts";

/**
 * Anything may arrive at a listener: `REDGE_FUZZ_INPUTS` at each of them. This is the short form, `npm run fuzz:link` the
 * long one, of 100,000. An exception that nobody catches fails the run by itself.
 */
const INPUTS = Number(process.env["REDGE_FUZZ_INPUTS"] ?? 3_000);
const SEED = Number(process.env["REDGE_FUZZ_SEED"] ?? 4711);
const MEBIBYTE = 1_048_576;

const pki = new TestPki();
const { certPem: cert, keyPem: key, caPem: ca } = pki.node("edge-1");

const word = fc.oneof(
    fc.constantFrom(
        "",
        "edged",
        "twin",
        "websocket",
        "metaserver",
        "edgecontroller",
        "resource",
        "user",
        "hub",
        "null",
    ),
    fc.constantFrom(
        "insert",
        "update",
        "delete",
        "query",
        "patch",
        "upload",
        "response",
        "error",
        "keepalive",
        "connect",
    ),
    fc.constantFrom(
        "node",
        "k8s/ca.crt",
        "null/node/edge-1",
        "default/pod/a",
        "a/volume/b",
        "membership/detail",
        "//",
        "__proto__",
    ),
    fc.string({ unit: "binary", maxLength: 40 }),
);
const anything = fc.jsonValue({ maxDepth: 4 });
const field = fc.oneof({ weight: 4, arbitrary: word }, { weight: 1, arbitrary: anything });
const envelope = fc.record(
    {
        header: fc.record(
            {
                msg_id: field,
                parent_msg_id: field,
                timestamp: fc.oneof(fc.integer(), anything),
                resourceversion: field,
                sync: anything,
            },
            { requiredKeys: [] },
        ),
        route: fc.record({ source: field, group: field, operation: field, resource: field }, { requiredKeys: [] }),
        content: anything,
    },
    { requiredKeys: [] },
);
/** Texts that are JSON: envelopes, nearly envelopes, and other values. */
const jsonText = fc
    .oneof({ weight: 6, arbitrary: envelope }, { weight: 1, arbitrary: anything })
    .map((value) => JSON.stringify(value));
const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array));

function sample<T>(arbitrary: fc.Arbitrary<T>, share: number): T[] {
    return fc.sample(arbitrary, { numRuns: Math.ceil(INPUTS * share), seed: SEED });
}

let cloud: CloudHub;

beforeEach(async () => {
    cloud = makeCloudHub(pki, new MemoryCluster(), { messagesPerSecond: 1_000_000, maxMessageBytes: 65_536 });
    await cloud.start();
});

afterEach(async () => {
    await cloud.stop();
});

/** Both listeners still do what they are for. */
async function expectAlive(): Promise<void> {
    const answer = await ask("GET", "/ca.crt", {});
    expect(answer).toBe(200);
    const edge = makeEdgeHub(pki.edgeIdentity("edge-2"), cloud.ports.websocket);
    const tap = new Tap(edge);
    await edge.start();
    await tap.output("link", "connect");
    await edge.stop();
}

/** Runs `body` and compares the live heap around it. */
async function withoutGrowth(body: () => Promise<void>): Promise<void> {
    await body();
    const before = process.memoryUsage().heapUsed;
    await body();
    const grownMib = (process.memoryUsage().heapUsed - before) / MEBIBYTE;
    expect(grownMib).toBeLessThan(150);
}

function ask(method: string, path: string, headers: Record<string, string>, body?: Buffer): Promise<number> {
    return new Promise((resolve) => {
        let sent: ReturnType<typeof request>;
        try {
            sent = request(
                { host: "127.0.0.1", port: cloud.ports.https, method, path, headers, rejectUnauthorized: false },
                (response) => {
                    response.resume();
                    response.once("close", () => resolve(response.statusCode ?? 0));
                },
            );
        } catch {
            // Node.js does not let this one out: it is no input.
            resolve(0);
            return;
        }
        sent.once("error", () => resolve(0));
        sent.end(body);
    });
}

async function socketTo(port: number): Promise<WebSocket> {
    const socket = new WebSocket(`wss://127.0.0.1:${port}/`, {
        cert,
        key,
        ca,
        perMessageDeflate: false,
        headers: { node_id: "edge-1", ConnectionUse: "msg", "redge-session": "v=1; store=fuzz; window=64" },
    });
    socket.on("error", () => {});
    await new Promise((resolve) => socket.once("open", resolve));
    return socket;
}

describe("whatever arrives", { timeout: 3_600_000 }, () => {
    test("messages to CloudHub", async () => {
        const texts = sample(jsonText, 0.5);
        await withoutGrowth(async () => {
            let socket = await socketTo(cloud.ports.websocket);
            for (const [at, text] of texts.entries()) {
                if (socket.readyState !== WebSocket.OPEN) socket = await socketTo(cloud.ports.websocket);
                socket.send(text);
                if (at % 200 === 199) await new Promise((resolve) => socket.ping(resolve));
            }
            const pong = new Promise((resolve) => socket.once("pong", resolve));
            socket.ping();
            await pong;
            socket.terminate();
        });
        await expectAlive();
    });

    test("messages to EdgeHub", async () => {
        const { certPem, keyPem } = pki.server();
        const http = new WebSocketServer({ noServer: true });
        const server = createServer({ cert: certPem, key: keyPem });
        const texts = sample(jsonText, 0.3);
        const joined = new Promise<WebSocket>((resolve) => {
            server.on("upgrade", (request, socket, head) => http.handleUpgrade(request, socket, head, resolve));
        });
        await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
        const edge = makeEdgeHub(pki.edgeIdentity("edge-1"), (server.address() as AddressInfo).port);
        const lastSeen = new Promise<void>((resolve) => {
            edge.on("output", (_output, { header }) => {
                if (header.msg_id === "last") resolve();
            });
        });
        await edge.start();
        const socket = await joined;
        for (const text of texts) socket.send(text);
        socket.send("{not json");
        socket.send(Buffer.alloc(0));
        const last = {
            header: { msg_id: "last", timestamp: 0 },
            route: { group: "resource", operation: "update", resource: "default/pod/last" },
            content: null,
        };
        socket.send(JSON.stringify(last));
        await lastSeen;
        await edge.stop();
        await new Promise((resolve) => {
            server.close(resolve);
            server.closeAllConnections();
        });
    });

    test("bytes on both ports, in TLS and without", async () => {
        const inputs = sample(
            fc.record({
                raw: bytes,
                masked: fc.boolean(),
                opcode: fc.integer({ min: 0, max: 15 }),
                where: fc.integer({ min: 0, max: 5 }),
            }),
            0.1,
        );
        await eightAtATime(inputs, async ({ raw, masked, opcode, where }) => {
            if (where === 0) await throwAt(tcpConnect({ port: cloud.ports.websocket, host: "127.0.0.1" }), raw);
            else if (where === 1) await throwAt(secure(), raw);
            else if (where === 4) await throwAt(tcpConnect({ port: cloud.ports.https, host: "127.0.0.1" }), raw);
            else if (where === 5) await throwAt(secure(cloud.ports.https), raw);
            else {
                const upgrade = `GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MmFUTlMh1SI16n1tSzzFPQ==\r\nnode_id: edge-1\r\n\r\n`;
                await throwAt(
                    secure(),
                    Buffer.concat([Buffer.from(upgrade), where === 2 ? raw : frame(raw, masked, opcode)]),
                );
            }
        });
        await expectAlive();
    });

    test("requests to the certificate port", async () => {
        const header = fc.string({ unit: fc.constantFrom(..."abcXYZ019 .-_=;,/\\\"'%"), maxLength: 60 });
        const requests = sample(
            fc.record({
                method: fc.constantFrom("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"),
                path: fc.oneof(
                    fc.constantFrom(
                        "/ca.crt",
                        "/edge.crt",
                        "/node/edge-1",
                        "/node/%",
                        "/node/..%2f",
                        "/nodeupgrade",
                        "/",
                    ),
                    fc.string({ unit: fc.constantFrom(..."abc/%.?#&=0~"), maxLength: 40 }).map((path) => `/${path}`),
                ),
                nodename: header,
                authorization: header.map((text) => `Bearer ${text}`),
                body: bytes,
            }),
            1,
        );
        const before = process.memoryUsage().heapUsed;
        for (let at = 0; at < requests.length; at += 20) {
            await Promise.all(
                requests.slice(at, at + 20).map(async ({ method, path, nodename, authorization, body }) => {
                    const status = await ask(
                        method,
                        path,
                        { nodename, authorization, "content-length": String(body.length) },
                        body,
                    );
                    if (path !== "/edge.crt") expect(status).toBeLessThan(500);
                }),
            );
        }
        expect((process.memoryUsage().heapUsed - before) / MEBIBYTE).toBeLessThan(150);
        await expectAlive();
    });
});

function secure(port = cloud.ports.websocket): TLSSocket {
    return tlsConnect({ host: "127.0.0.1", port, cert, key, ca });
}

async function eightAtATime<T>(inputs: readonly T[], throwOne: (input: T) => Promise<void>): Promise<void> {
    let next = 0;
    const worker = async (): Promise<void> => {
        for (let at = next++; at < inputs.length; at = next++) await throwOne(inputs[at] as T);
    };
    await Promise.all(Array.from({ length: 8 }, worker));
}

/** Sends and hangs up, once the other end has had the bytes or has hung up itself. */
async function throwAt(socket: ReturnType<typeof tcpConnect>, raw: Buffer): Promise<void> {
    await new Promise<void>((resolve) => {
        socket.on("error", () => {});
        socket.once("close", () => resolve());
        socket.resume();
        socket.write(raw, () => socket.end());
        socket.setTimeout(1_000, () => socket.destroy());
        socket.once("end", () => socket.destroy());
    });
}
