// SPDX-License-Identifier: Apache-2.0
import { randomBytes, randomInt } from "node:crypto";
import { once } from "node:events";
import { Agent, createServer as createHttpsServer, request } from "node:https";
import { type AddressInfo, connect, type Socket } from "node:net";
import { duplexPair } from "node:stream";
import { connect as connectTls } from "node:tls";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { SpdyConnection } from "../../../src/edge/edged/kubelet/remotecommand/spdy-connection.ts";
import { EdgeStream } from "../../../src/edge/edgestream/index.ts";
import {
    decodeTunnelMessage,
    encodeTunnelMessage,
    TUNNEL_HEADER,
    TunnelType,
} from "../../../src/link/tunnel/message.ts";
import { testPorts } from "../../support/link/ends.ts";
import { Streams } from "./harness.ts";

/** The short form; `npm run fuzz:link` is the long one. */
const INPUTS = process.env["REDGE_FUZZ_INPUTS"];
const MESSAGES = Number(INPUTS ?? 40_000);
const REQUESTS = Number(INPUTS ?? 2_000);
/** An edge answers each of them by a connection to its kubelet. */
const MESSAGES_TO_EDGE = Number(INPUTS ?? 20_000);
/** Connections that bring bytes of any kind, to each of the two ports. */
const STRANGERS = INPUTS === undefined ? 300 : Number(INPUTS) / 20;
const LOGS = "/containerLogs/default/hello/main";
/** What a process may keep of a flood that is over. */
const MAX_GROWTH_BYTES = 150 * 1024 * 1024;

/** Noise without the one message that ends a tunnel by right: a flood would be short. */
function noise(): Buffer {
    for (;;) {
        const bytes = anything();
        if (decodeTunnelMessage(bytes)?.type !== TunnelType.close) return bytes;
    }
}

/** Anything from plain noise to a message that is wrong in one place only. */
function anything(): Buffer {
    switch (randomInt(6)) {
        case 0:
            return randomBytes(randomInt(64));
        case 1:
            return Buffer.alloc(randomInt(32), 0xff);
        case 2:
            return encodeTunnelMessage({
                connectId: randomInt(5),
                type: randomInt(70),
                data: randomBytes(randomInt(200)),
            });
        case 3:
            return encodeTunnelMessage({
                connectId: randomInt(50),
                type: TunnelType.data,
                data: randomBytes(randomInt(2_000)),
            });
        case 4:
            return encodeTunnelMessage({ connectId: randomInt(50), type: TunnelType.window, data: randomBytes(10) });
        default: {
            const types = [TunnelType.logs, TunnelType.exec, TunnelType.metrics, TunnelType.attach, TunnelType.http];
            const json = JSON.stringify({
                url: { Path: "/containerLogs/\r\nX: y", RawQuery: "a=\n" },
                header: { a: "b", c: ["\r\n"] },
            });
            const data = Buffer.from(json.slice(0, randomInt(json.length + 1)));
            return encodeTunnelMessage({ connectId: randomInt(50), type: types[randomInt(types.length)] ?? 0, data });
        }
    }
}

/** Answers how many went out: one that says "close the tunnel" ends it, as it should. */
async function flood(socket: WebSocket, messages: number): Promise<number> {
    let sent = 0;
    while (sent < messages && socket.readyState === WebSocket.OPEN) {
        await new Promise((resolve) => socket.send(noise(), { binary: randomInt(2) === 0 }, resolve));
        sent += 1;
    }
    return sent;
}

describe("noise at the tunnel", { timeout: 3_600_000 }, () => {
    let streams: Streams;
    let before: number;
    beforeEach(async () => {
        streams = new Streams();
        await streams.start();
        streams.kubelet.on("request", (_request, response) => response.end("fine"));
        before = process.memoryUsage().rss;
    });
    afterEach(() => streams.stop());

    test.each(["a stock edge", "a Redge edge"])(
        `CloudStream: ${MESSAGES} messages of %s, then all is as before`,
        async (who) => {
            const { certPem, keyPem, caPem } = streams.pki.node("edge-2");
            let left = MESSAGES;
            while (left > 0) {
                const edge = new WebSocket(`${streams.tunnelUrl}/v1/kubeedge/connect`, {
                    cert: certPem,
                    key: keyPem,
                    ca: caPem,
                    skipUTF8Validation: true,
                    headers: {
                        SessionHostNameOverride: "edge-2",
                        ...(who === "a Redge edge" ? { [TUNNEL_HEADER]: "262144" } : {}),
                    },
                });
                await once(edge, "open");
                edge.on("error", () => {});
                await flood(edge, Math.min(left, 5_000));
                left -= 5_000;
                edge.terminate();
            }
            await streams.connectEdge();
            expect((await streams.ask(LOGS)).body).toBe("fine");
            expect(process.memoryUsage().rss - before).toBeLessThan(MAX_GROWTH_BYTES);
        },
    );

    test("both ports: bytes that are no TLS, TLS that is no HTTP, HTTP that is no tunnel", async () => {
        const ports = [streams.cloud?.ports.tunnel ?? 0, streams.cloud?.ports.stream ?? 0];
        const { certPem, keyPem, caPem } = streams.pki.node("edge-1");
        const throwBytes = async (n: number): Promise<void> => {
            for (const port of ports) {
                const isTls = n % 2 === 0;
                const target = { port, host: "127.0.0.1" };
                const socket: Socket = isTls
                    ? connectTls({
                          ...target,
                          cert: certPem,
                          key: keyPem,
                          ca: caPem,
                          checkServerIdentity: () => undefined,
                      })
                    : connect(target);
                socket.on("error", () => {});
                const closed = new Promise((resolve) => socket.on("close", resolve));
                await Promise.race([once(socket, isTls ? "secureConnect" : "connect").catch(() => undefined), closed]);
                socket.write(
                    n % 3 === 0
                        ? "GET /v1/kubeedge/connect HTTP/1.1\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"
                        : randomBytes(randomInt(1, 500)),
                );
                socket.end();
                socket.resume();
                if (n % 10 === 0) socket.destroy();
                await closed;
            }
        };
        for (let n = 0; n < STRANGERS; n += 10) {
            await Promise.all(Array.from({ length: 10 }, (_, more) => throwBytes(n + more)));
        }
        await streams.connectEdge();
        expect((await streams.ask(LOGS)).body).toBe("fine");
    });

    test(`EdgeStream: ${MESSAGES_TO_EDGE} messages of a cloud, then it serves the next one`, async () => {
        const { certPem, keyPem, caPem } = streams.pki.server();
        const https = createHttpsServer({ cert: certPem, key: keyPem, ca: caPem, requestCert: true });
        const cloud = new WebSocketServer({ server: https, skipUTF8Validation: true });
        await new Promise<void>((resolve) => https.listen(0, "127.0.0.1", resolve));
        const cloudUrl = `wss://127.0.0.1:${(https.address() as AddressInfo).port}`;
        const config = { cloudUrl, kubelet: `unix:${streams.kubeletPath}`, nodeAddress: "192.0.2.2" };
        const edge = new EdgeStream(config, {
            ...testPorts,
            random: () => 0,
            identity: streams.pki.edgeIdentity("edge-1"),
        });
        let left = MESSAGES_TO_EDGE;
        const flooded = new Promise<void>((resolve) => {
            cloud.on("connection", async (socket: WebSocket) => {
                socket.on("error", () => {});
                left -= await flood(socket, Math.min(left, 5_000));
                socket.close();
                if (left <= 0) resolve();
            });
        });
        await edge.start();
        await flooded;
        await edge.stop();
        https.closeAllConnections();
        https.close();
        await streams.connectEdge();
        expect((await streams.ask(LOGS)).body).toBe("fine");
        expect(process.memoryUsage().rss - before).toBeLessThan(MAX_GROWTH_BYTES);
    });

    test(`the port for the API server: ${REQUESTS} requests, then it answers the next one`, async () => {
        await streams.connectEdge();
        const unit = fc.constantFrom(..."abc/%.?#&=0~-_:");
        const path = fc.oneof(
            fc.constantFrom(
                LOGS,
                "/exec/default/hello/main",
                "/stats/summary",
                "/metrics",
                "/portForward/default/hello",
            ),
            fc.string({ unit, maxLength: 60 }).map((text) => `/containerLogs/${text}`),
            fc.string({ unit, maxLength: 60 }).map((text) => `/${text}`),
        );
        const text = fc.string({ unit: fc.constantFrom(..."abcXYZ019 .-_=;,/"), maxLength: 60 });
        const input = fc.record({
            path,
            method: fc.constantFrom("GET", "POST", "PUT", "HEAD", "OPTIONS"),
            upgrade: fc.option(fc.constantFrom("SPDY/3.1", "websocket", "x"), { nil: undefined, freq: 19 }),
            host: text,
            body: fc.uint8Array({ maxLength: 200 }),
        });
        const agent = new Agent({ keepAlive: true });
        // The first half warms up; what the second adds to it is what would go on growing.
        let warm: Memory | undefined;
        for (let done = 0; done < REQUESTS; done += 20) {
            if (done >= REQUESTS / 2) warm ??= memory();
            await Promise.all(fc.sample(input, 20).map((one) => throwRequest(streams, agent, one)));
        }
        agent.destroy();
        expect((await streams.ask(LOGS)).body).toBe("fine");
        const { heapUsed, rss } = memory();
        expect(heapUsed - (warm?.heapUsed ?? 0)).toBeLessThan(MAX_GROWTH_BYTES / 10);
        expect(rss - (warm?.rss ?? 0)).toBeLessThan(MAX_GROWTH_BYTES / 1.5);
    });
});

interface Memory {
    /** Bytes of the heap that are in use, without what is garbage by now. */
    readonly heapUsed: number;
    /** Resident bytes: also sockets, TLS and buffers, and what V8 and the allocator keep for the next burst. */
    readonly rss: number;
}

function memory(): Memory {
    setFlagsFromString("--expose-gc");
    runInNewContext("gc")();
    const { heapUsed, rss } = process.memoryUsage();
    return { heapUsed, rss };
}

interface RequestInput {
    readonly path: string;
    readonly method: string;
    readonly upgrade: string | undefined;
    readonly host: string;
    readonly body: Uint8Array;
}

/** Sends it and waits for what comes of it: an answer, an upgrade (hung up at once) or a cut. */
function throwRequest(
    streams: Streams,
    agent: Agent,
    { path, method, upgrade, host, body }: RequestInput,
): Promise<void> {
    const headers = {
        "X-Any": host,
        "Content-Length": body.length,
        ...(upgrade === undefined ? {} : { Connection: "Upgrade", Upgrade: upgrade }),
    };
    return new Promise((resolve) => {
        const sent = request(streams.options(path, { agent, method, headers }));
        sent.once("response", (answer) => answer.resume().once("close", () => resolve()));
        sent.once("upgrade", (_answer, socket) => {
            socket.on("error", () => {});
            socket.destroy();
            resolve();
        });
        sent.once("error", () => resolve());
        sent.end(body);
    });
}

test("noise as SPDY: 20000 beginnings of connections end without a crash", async () => {
    for (let n = 0; n < 20_000; n += 1) {
        const [near, far] = duplexPair();
        const connection = new SpdyConnection(far);
        connection.on("stream", (stream) => void stream.resume());
        connection.start(Buffer.alloc(0));
        near.on("error", () => {});
        near.resume();
        const frame = randomBytes(randomInt(8, 80));
        if (n % 2 === 0) frame.writeUInt32BE(0x80030000 + randomInt(12), 0);
        frame.writeUIntBE(n % 5 === 0 ? randomInt(0xffffff) : frame.length - 8, 5, 3);
        near.write(frame);
        near.end();
        if (n % 200 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await new Promise((resolve) => setImmediate(resolve));
});
